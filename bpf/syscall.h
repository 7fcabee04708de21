/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The futex word that the current task's system call is looking up, for a probe
 * in the middle of get_futex_key() that never saw its arguments.  The system
 * call's own arguments name one word, or a few; which of a few it is shows in a
 * register that the function keeps the word's page in for its next pass.  What
 * cannot be told (a task that exits, io_uring, two words that both fit) is 0.
 */
#ifndef FUTEXSCOPE_SYSCALL_H
#define FUTEXSCOPE_SYSCALL_H

#include "maps.h"

/* A word's address is a multiple of four; its low bits carry what else is known. */
#define WORD_WRITE	  1ull /* FUTEX_WRITE access was asked for */
#define WORD_PAGE_ONLY	  2ull /* two words of this page fit: which one is not known */
#define WORD_FLAGS	  3ull

/* include/uapi/linux/futex.h */
#define FUTEX_WAIT		0
#define FUTEX_WAKE		1
#define FUTEX_REQUEUE		3
#define FUTEX_CMP_REQUEUE	4
#define FUTEX_WAKE_OP		5
#define FUTEX_LOCK_PI		6
#define FUTEX_UNLOCK_PI		7
#define FUTEX_TRYLOCK_PI	8
#define FUTEX_WAIT_BITSET	9
#define FUTEX_WAKE_BITSET	10
#define FUTEX_WAIT_REQUEUE_PI	11
#define FUTEX_CMP_REQUEUE_PI	12
#define FUTEX_LOCK_PI2		13
#define FUTEX_CMD_MASK		0x7f
#define FUTEX_WAITV_MAX		128
#define PF_EXITING		0x4

struct futex_waitv {
	__u64 val;
	__u64 uaddr;
	__u32 flags;
	__u32 reserved;
};

/* Which of the system calls on futexes it is, and its arguments. */
struct futex_call {
	enum { CALL_OTHER, CALL_FUTEX, CALL_WORD, CALL_VECTOR } kind;
	__u32 command;
	__u64 word;
	__u64 second;
	__u64 count; /* of a vector */
};

#if defined(__TARGET_ARCH_x86)
#define USER32_CS 0x23 /* a program of 32 bits, whose numbers are other ones */

static __always_inline void read_call(struct futex_call *call)
{
	struct pt_regs regs;

	call->kind = CALL_OTHER;
	if (bpf_probe_read_kernel(&regs, sizeof(regs),
				  (void *)bpf_task_pt_regs(bpf_get_current_task_btf())))
		return;
	if ((__u16)regs.cs == USER32_CS) {
		if (regs.orig_ax != 240 && regs.orig_ax != 422)
			return;
		call->kind = CALL_FUTEX;
		call->word = (__u32)regs.bx;
		call->command = regs.cx & FUTEX_CMD_MASK;
		call->second = (__u32)regs.di;
		return;
	}
	call->word = regs.di;
	call->command = regs.si & FUTEX_CMD_MASK;
	call->second = regs.r8;
	call->count = regs.si;
	switch (regs.orig_ax & ~0x40000000ul) { /* that bit: x32 */
	case 202:
		call->kind = CALL_FUTEX;
		break;
	case 454: /* futex_wake */
	case 455: /* futex_wait */
		call->kind = CALL_WORD;
		break;
	case 456: /* futex_requeue: a vector of two */
		call->count = 2;
		call->kind = CALL_VECTOR;
		break;
	case 449: /* futex_waitv */
		call->kind = CALL_VECTOR;
		break;
	}
}

static __always_inline bool is_in_register(struct pt_regs *ctx, __u64 page)
{
	return ctx->bx == page || ctx->bp == page || ctx->r12 == page || ctx->r13 == page ||
	       ctx->r14 == page || ctx->r15 == page;
}
#elif defined(__TARGET_ARCH_arm64)
struct pt_regs___call {
	struct user_pt_regs user_regs;
	__u64 orig_x0;
	__s32 syscallno;
} __attribute__((preserve_access_index));

static __always_inline void read_call(struct futex_call *call)
{
	struct pt_regs___call *regs = (void *)bpf_task_pt_regs(bpf_get_current_task_btf());

	call->kind = CALL_OTHER;
	call->word = BPF_CORE_READ(regs, orig_x0);
	call->count = BPF_CORE_READ(regs, user_regs.regs[1]);
	call->command = call->count & FUTEX_CMD_MASK;
	call->second = BPF_CORE_READ(regs, user_regs.regs[4]);
	switch (BPF_CORE_READ(regs, syscallno)) {
	case 98:
		call->kind = CALL_FUTEX;
		break;
	case 454:
	case 455:
		call->kind = CALL_WORD;
		break;
	case 456:
		call->count = 2;
		call->kind = CALL_VECTOR;
		break;
	case 449:
		call->kind = CALL_VECTOR;
		break;
	}
}

static __always_inline bool is_in_register(struct pt_regs *ctx, __u64 page)
{
	struct user_pt_regs *regs = (void *)ctx;

	return regs->regs[19] == page || regs->regs[20] == page || regs->regs[21] == page ||
	       regs->regs[22] == page || regs->regs[23] == page || regs->regs[24] == page ||
	       regs->regs[25] == page || regs->regs[26] == page || regs->regs[27] == page ||
	       regs->regs[28] == page;
}
#endif

static __always_inline __u64 page_of(__u64 address)
{
	return address & ~(PAGE_SIZE - 1);
}

/* The one of two words whose page the function works on. */
static __always_inline __u64 one_of(struct pt_regs *ctx, __u64 first, __u64 second)
{
	bool is_first = is_in_register(ctx, page_of(first));
	bool is_second = is_in_register(ctx, page_of(second));

	if (page_of(first) == page_of(second))
		return page_of(first) | WORD_PAGE_ONLY;
	if (is_first == is_second)
		return 0;
	return is_first ? first : second;
}

struct vector_search {
	struct pt_regs *registers;
	__u64 vector;
	__u64 count;
	__u64 found;
};

/* bpf_loop() callback for one element; 1 ends the loop. */
static long look_at_element(__u32 position, void *context)
{
	struct vector_search *search = context;
	__u64 word = 0;

	if (position >= search->count)
		return 1;
	bpf_probe_read_user(&word, sizeof(word),
			    (void *)search->vector + position * sizeof(struct futex_waitv) +
				    __builtin_offsetof(struct futex_waitv, uaddr));
	word &= ~WORD_FLAGS;
	if (word == search->found || !is_in_register(search->registers, page_of(word)))
		return 0;
	if (!search->found) {
		search->found = word;
		return 0;
	}
	search->found = page_of(search->found) == page_of(word) ? page_of(word) | WORD_PAGE_ONLY : 0;
	return !search->found;
}

/* The one of up to 128 words whose page the function works on. They are read again
 * from where the kernel has just read them. */
static __always_inline __u64 one_of_vector(struct pt_regs *ctx, __u64 vector, __u64 count)
{
	/* 0, but not to the verifier: before ab5cfac139ab (6.7) it looked at one turn
	 * of such a loop, and dropped what a known 0 makes unreachable there. */
	__u64 none = switched_off;
	struct vector_search search = {
		.registers = ctx, .vector = vector, .count = count, .found = none,
	};

	bpf_loop(FUTEX_WAITV_MAX, look_at_element, &search, 0);
	return search.found;
}

/* The word with its WORD_ flags; 0 when it cannot be told. */
static __noinline __u64 word_looked_up(struct pt_regs *ctx)
{
	struct futex_call call = {};

	/* The kernel wakes waiters for a task that is gone: no word of its last call. */
	if (BPF_CORE_READ(bpf_get_current_task_btf(), flags) & PF_EXITING)
		return 0;
	read_call(&call);
	if (call.kind == CALL_VECTOR)
		return one_of_vector(ctx, call.word, call.count);
	call.word &= ~WORD_FLAGS;
	call.second &= ~WORD_FLAGS;
	if (call.kind == CALL_WORD)
		return call.word;
	if (call.kind != CALL_FUTEX)
		return 0;
	switch (call.command) {
	case FUTEX_WAIT:
	case FUTEX_WAKE:
	case FUTEX_WAIT_BITSET:
	case FUTEX_WAKE_BITSET:
		return call.word;
	case FUTEX_LOCK_PI:
	case FUTEX_LOCK_PI2:
	case FUTEX_UNLOCK_PI:
	case FUTEX_TRYLOCK_PI:
		return call.word | WORD_WRITE;
	case FUTEX_REQUEUE:
	case FUTEX_CMP_REQUEUE:
		return one_of(ctx, call.word, call.second);
	case FUTEX_WAKE_OP:
	case FUTEX_CMP_REQUEUE_PI:
	case FUTEX_WAIT_REQUEUE_PI:
		return one_of(ctx, call.word, call.second | WORD_WRITE);
	}
	return 0;
}

#endif
