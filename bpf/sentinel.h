/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The sentinel: one observation told from the instruction in get_futex_key()
 * that unlocks the page, without the lookup's entry or return.  The function
 * unlocks only where it found no mapping, so nothing here runs for a lookup that
 * goes well.  Today's rule decides on what is read under the lock: outside the
 * swap cache and still without a mapping the lookup fails with -EFAULT, else it
 * goes back; that the function has this rule is checked before the probe is set.
 */
#ifndef FUTEXSCOPE_SENTINEL_H
#define FUTEXSCOPE_SENTINEL_H

#include "lookup.h"
#include "syscall.h"

/* When the page was pinned is not known here. A detach that is older than this is
 * taken for one of a former life of the page, so it must be longer than a task
 * is kept from going on, and as short as that allows. */
#define PIN_TO_UNLOCK_NS 1000000000ull

/* Going back again and again shows as one observation after the other of one
 * system call. One slot for a few tasks: who loses it is counted anew. */
#define ROUND_SLOTS 1024

struct rounds {
	__u64 call; /* what tells this system call from the task's next */
	__u64 count;
	__u64 observations;
	__u64 told_detach;
	__u32 tid;
};

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, ROUND_SLOTS);
	__type(key, __u32);
	__type(value, struct rounds);
} rounds_of_tasks SEC(".maps");

/* Too large for the stack. The probe runs with interrupts off, once on a CPU. */
struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct lookup_state);
} observed SEC(".maps");

/* The same for all passes of one system call: the registers with which the task
 * entered the kernel, and where on its stack the function runs. Another call that
 * has all of this in common cannot be told from it. */
static __noinline __u64 fingerprint(struct moment *moment, __u64 sum)
{
	for (int i = 0; i < 16; i++)
		sum = (sum ^ moment->entry[i]) * 0x100000001b3ull;
	return sum;
}

/* How often this system call has gone back by now, this time included. */
static __always_inline struct rounds *next_round(__u64 call)
{
	__u32 tid = bpf_get_current_pid_tgid();
	__u32 slot = tid & (ROUND_SLOTS - 1);
	struct rounds *rounds = bpf_map_lookup_elem(&rounds_of_tasks, &slot);

	if (!rounds)
		return NULL;
	if (rounds->tid != tid || rounds->call != call)
		*rounds = (struct rounds){ .tid = tid, .call = call };
	rounds->count++;
	return rounds;
}

static __always_inline void tell_observation(struct lookup_state *state, __u16 kind, __u64 now,
					     bool has_failed)
{
	struct fs_lookup *record = reserve(kind, sizeof(*record), now);

	if (!record)
		return;
	fill_lookup(record, state);
	if (has_failed) {
		record->result = -EFAULT;
		record->flags |= FS_LOOKUP_RETURNED | FS_LOOKUP_FAILED_UNMAPPED;
	}
	submit(record, kind);
}

/* Describes the page that was found without a mapping, and asks what took it.  Not
 * static, for it is large and several ways lead here: it is verified once. */
__noinline int describe_observed(__u64 page, __u64 flags, __u64 address, __u64 since, __u64 told)
{
	__u32 zero = 0;
	struct lookup_state *state = bpf_map_lookup_elem(&observed, &zero);
	struct page *head = (void *)page;
	struct cached_file cached = {};

	if (!state)
		return 0;
	describe_page(&state->page, head, flags, address, true, &cached);
	ask_detach(&state->page, head, since, told, &cached);
	return 0;
}

/* The page is still locked: what is read here is what the kernel decides on. */
static __always_inline int page_unlocks_in_lookup(struct pt_regs *ctx, struct page *head)
{
	__u32 zero = 0;
	__u16 kind = FS_LOOKUP;
	__u64 now = bpf_ktime_get_ns(), told = 0, word;
	struct lookup_state *state = bpf_map_lookup_elem(&observed, &zero);
	struct rounds *rounds = NULL;
	struct moment *moment;
	unsigned long flags;
	bool is_mapped, goes_back;

	if (!state || !head || switched_off || !victim_is_wanted())
		return 0;
	flags = page_flags(head);
	is_mapped = BPF_CORE_READ(head, mapping) != NULL;
	goes_back = is_mapped || in_swap_cache(flags);
	if (!is_mapped)
		COUNT(observations);
	if (goes_back)
		COUNT(retries[FS_RETRY_SWIZZLED]);
	else
		COUNT(failed_unmapped);
	if (filter_by_result && goes_back)
		return 0;

	__builtin_memset(state, 0, sizeof(*state));
	moment = take_moment(ctx);
	if (!moment)
		return 0;
	word = word_looked_up();
	state->observations = !is_mapped;
	if (goes_back) {
		rounds = next_round(fingerprint(moment, word ^ PT_REGS_SP(ctx)));
		if (!rounds)
			return 0;
		rounds->observations += !is_mapped;
		if (rounds->count & (rounds->count - 1))
			return 0;
		if (rounds->count > 1)
			kind = FS_PROGRESS;
		state->observations = rounds->observations;
		state->retries[FS_RETRY_SWIZZLED] = rounds->count;
		told = rounds->told_detach;
	}
	if (word & WORD_WRITE)
		state->flags |= FS_LOOKUP_WRITE;
	if (!(word & WORD_PAGE_ONLY))
		state->uaddr = word & ~WORD_FLAGS;
	if (!is_mapped) {
		describe_observed((__u64)head, flags, word & ~WORD_FLAGS, now - PIN_TO_UNLOCK_NS,
				  told);
		if (rounds)
			rounds->told_detach = state->page.detach_time;
	}
	tell_observation(state, kind, now, !goes_back);
	return 0;
}

#endif
