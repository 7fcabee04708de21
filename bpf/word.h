/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The futex word that the current task is looking up.  The arguments of the system call
 * name one word, or a few.  Which of them is current shows in a register in which the
 * function keeps the word's page for its next pass.  A word that is not known (a task that
 * exits, io_uring, two words that both fit) is 0.
 */
#ifndef FUTEXSCOPE_WORD_H
#define FUTEXSCOPE_WORD_H

#include "syscall.h"

/* A word's address is a multiple of four; its low bits carry flags. */
#define WORD_WRITE     1ull /* FUTEX_WRITE access was asked for */
#define WORD_PAGE_ONLY 2ull /* two words of this page fit: which one is not known */
#define WORD_FLAGS     3ull

#define FUTEX_WAITV_MAX 128

struct futex_waitv {
	__u64 val;
	__u64 uaddr;
	__u32 flags;
	__u32 reserved;
};

static __always_inline bool is_in_register(struct moment *moment, __u64 page)
{
	for (int i = 0; i < KEPT_REGISTERS; i++)
		if (moment->kept[i] == page)
			return true;
	return false;
}

/* The only word of a call.  It needs no register, unless the task may do other work. */
static __always_inline __u64 only_word(struct moment *moment, __u64 word)
{
	return !uses_io_uring() || is_in_register(moment, page_of(word)) ? word : 0;
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
	/* 0, but the verifier does not know this: before ab5cfac139ab (6.7) it checked one
	 * iteration of such a loop, and removed code that a known 0 makes unreachable there. */
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

/* The word that is looked up at the moment whose registers were kept, with its WORD_ flags;
 * 0 when it is not known.  Not static, so the verifier checks it once and not on each path
 * that leads here. */
__noinline __u64 word_looked_up(void)
{
	struct moment *moment = this_moment();
	struct futex_call call = {};

	if (!moment)
		return 0;
	/* The kernel wakes waiters for a task that has ended: its last call names no word. */
	if (BPF_CORE_READ(bpf_get_current_task_btf(), flags) & PF_EXITING)
		return 0;
	read_call(&call, moment->entry);
	if (call.kind == CALL_VECTOR)
		return one_of_vector(moment, call.word, call.count);
	call.word &= ~WORD_FLAGS;
	call.second &= ~WORD_FLAGS;
	if (call.kind == CALL_WORD)
		return only_word(moment, call.word);
	if (call.kind != CALL_FUTEX)
		return 0;
	switch (call.command) {
	case FUTEX_WAIT:
	case FUTEX_WAKE:
	case FUTEX_WAIT_BITSET:
	case FUTEX_WAKE_BITSET:
		return only_word(moment, call.word);
	case FUTEX_LOCK_PI:
	case FUTEX_LOCK_PI2:
	case FUTEX_UNLOCK_PI:
	case FUTEX_TRYLOCK_PI:
		return only_word(moment, call.word | WORD_WRITE);
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
 * is not known.  The register is not needed here, because the page is given. */
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
