/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The futex word that the current task's system call is looking up, for a probe
 * in the middle of get_futex_key() that never saw its arguments.  The system
 * call's own arguments name one word, or a few; which of a few it is shows in a
 * register that the function keeps the word's page in for its next pass.  What
 * is not known (a task that exits, io_uring, two words that both fit) is 0.
 */
#ifndef FUTEXSCOPE_SYSCALL_H
#define FUTEXSCOPE_SYSCALL_H

#include "maps.h"

/* A word's address is a multiple of four; its low bits carry what else is known. */
#define WORD_WRITE     1ull /* FUTEX_WRITE access was asked for */
#define WORD_PAGE_ONLY 2ull /* two words of this page fit: which one is not known */
#define WORD_FLAGS     3ull

/* include/uapi/linux/futex.h */
#define FUTEX_WAIT	      0
#define FUTEX_WAKE	      1
#define FUTEX_REQUEUE	      3
#define FUTEX_CMP_REQUEUE     4
#define FUTEX_WAKE_OP	      5
#define FUTEX_LOCK_PI	      6
#define FUTEX_UNLOCK_PI	      7
#define FUTEX_TRYLOCK_PI      8
#define FUTEX_WAIT_BITSET     9
#define FUTEX_WAKE_BITSET     10
#define FUTEX_WAIT_REQUEUE_PI 11
#define FUTEX_CMP_REQUEUE_PI  12
#define FUTEX_LOCK_PI2	      13
#define FUTEX_CMD_MASK	      0x7f
#define FUTEX_WAITV_MAX	      128
#define PF_EXITING	      0x4

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
#define KEPT_REGISTERS 6
#define ENTRY_WORDS    21
#elif defined(__TARGET_ARCH_arm64)
#define KEPT_REGISTERS 10
#define ENTRY_WORDS    36
#endif

/* The registers of one moment: those that the function keeps over its calls, and
 * those with which the task entered the kernel.  On the stack they would be as many
 * things for the verifier to follow on each of its ways.  The probe runs with
 * interrupts off, once on a CPU. */
struct moment {
	__u64 kept[KEPT_REGISTERS];
	__u64 entry[ENTRY_WORDS]; /* a struct pt_regs; all zero if it cannot be read */
};

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct moment);
} moments SEC(".maps");

static __always_inline struct moment *this_moment(void)
{
	__u32 zero = 0;

	return bpf_map_lookup_elem(&moments, &zero);
}

static __always_inline bool is_in_register(struct moment *moment, __u64 page)
{
	for (int i = 0; i < KEPT_REGISTERS; i++)
		if (moment->kept[i] == page)
			return true;
	return false;
}

#if defined(__TARGET_ARCH_x86)
#define USER32_CS 0x23 /* a program of 32 bits, whose numbers are other ones */

static __always_inline void keep_registers(struct moment *moment, struct pt_regs *ctx)
{
	moment->kept[0] = ctx->bx;
	moment->kept[1] = ctx->bp;
	moment->kept[2] = ctx->r12;
	moment->kept[3] = ctx->r13;
	moment->kept[4] = ctx->r14;
	moment->kept[5] = ctx->r15;
}

static __always_inline void read_call(struct futex_call *call, struct moment *moment)
{
	struct pt_regs *regs = (void *)moment->entry;

	call->kind = CALL_OTHER;
	if ((__u16)regs->cs == USER32_CS) {
		if (regs->orig_ax != 240 && regs->orig_ax != 422)
			return;
		call->kind = CALL_FUTEX;
		call->word = (__u32)regs->bx;
		call->command = regs->cx & FUTEX_CMD_MASK;
		call->second = (__u32)regs->di;
		return;
	}
	call->word = regs->di;
	call->command = regs->si & FUTEX_CMD_MASK;
	call->second = regs->r8;
	call->count = regs->si;
	switch (regs->orig_ax & ~0x40000000ul) { /* that bit: x32 */
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
#elif defined(__TARGET_ARCH_arm64)
struct pt_regs___call {
	struct user_pt_regs user_regs;
	__u64 orig_x0;
	__s32 syscallno;
} __attribute__((preserve_access_index));

static __always_inline void keep_registers(struct moment *moment, struct pt_regs *ctx)
{
	struct user_pt_regs *regs = (void *)ctx;

	for (int i = 0; i < KEPT_REGISTERS; i++)
		moment->kept[i] = regs->regs[19 + i];
}

static __always_inline void read_call(struct futex_call *call, struct moment *moment)
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
#endif

static __always_inline __u64 page_of(__u64 address)
{
	return address & ~(PAGE_SIZE - 1);
}

/* The one of two words whose page the function works on. */
static __always_inline __u64 one_of(struct moment *moment, __u64 first, __u64 second)
{
	bool is_first = is_in_register(moment, page_of(first));
	bool is_second = is_in_register(moment, page_of(second));

	if (page_of(first) == page_of(second))
		return page_of(first) | WORD_PAGE_ONLY;
	if (is_first == is_second)
		return 0;
	return is_first ? first : second;
}

struct vector_search {
	struct moment *moment;
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
	if (word == search->found || !is_in_register(search->moment, page_of(word)))
		return 0;
	if (!search->found) {
		search->found = word;
		return 0;
	}
	search->found =
		page_of(search->found) == page_of(word) ? page_of(word) | WORD_PAGE_ONLY : 0;
	return !search->found;
}

/* The one of up to 128 words whose page the function works on. They are read again
 * from where the kernel has just read them. */
static __always_inline __u64 one_of_vector(struct moment *moment, __u64 vector, __u64 count)
{
	/* 0, but not to the verifier: before ab5cfac139ab (6.7) it looked at one turn
	 * of such a loop, and dropped what a known 0 makes unreachable there. */
	__u64 none = switched_off;
	struct vector_search search = {
		.moment = moment,
		.vector = vector,
		.count = count,
		.found = none,
	};

	bpf_loop(FUTEX_WAITV_MAX, look_at_element, &search, 0);
	return search.found;
}

/* Keeps the registers with which the task entered the kernel; NULL for want of a place. */
static __always_inline struct moment *begin_moment(void)
{
	struct moment *moment = this_moment();

	/* A read that fails leaves zeros, as no system call has them. */
	if (moment)
		bpf_probe_read_kernel(moment->entry, sizeof(moment->entry),
				      (void *)bpf_task_pt_regs(bpf_get_current_task_btf()));
	return moment;
}

/* The word that is looked up at this moment, which was taken, with its WORD_ flags;
 * 0 when it is not known.  Not static, and so verified once and not on each way
 * that leads here. */
__noinline __u64 word_looked_up(void)
{
	struct moment *moment = this_moment();
	struct futex_call call = {};

	if (!moment)
		return 0;
	/* The kernel wakes waiters for a task that is gone: no word of its last call. */
	if (BPF_CORE_READ(bpf_get_current_task_btf(), flags) & PF_EXITING)
		return 0;
	read_call(&call, moment);
	if (call.kind == CALL_VECTOR)
		return one_of_vector(moment, call.word, call.count);
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
		return one_of(moment, call.word, call.second);
	case FUTEX_WAKE_OP:
	case FUTEX_CMP_REQUEUE_PI:
	case FUTEX_WAIT_REQUEUE_PI:
		return one_of(moment, call.word, call.second | WORD_WRITE);
	}
	return 0;
}

/* The word in `page` that the current system call looks up, with its WORD_ flags; 0 when it
 * is not known.  What a register would have to hold is known here. */
static __noinline __u64 word_in_page(__u64 page)
{
	struct moment *moment;
	__u64 word;

	if (!bpf_core_enum_value_exists(enum bpf_func_id, BPF_FUNC_task_pt_regs))
		return 0;
	moment = begin_moment();
	if (!moment)
		return 0;
	for (int i = 0; i < KEPT_REGISTERS; i++)
		moment->kept[i] = page;
	word = word_looked_up();
	return page_of(word) == page ? word : 0;
}

/* The word that the current system call looks up, for a probe in get_futex_key() whose
 * registers are `ctx`; 0 when it is not known. */
static __always_inline __u64 word_at(struct pt_regs *ctx)
{
	struct moment *moment = begin_moment();

	if (!moment)
		return 0;
	keep_registers(moment, ctx);
	return word_looked_up();
}

#endif
