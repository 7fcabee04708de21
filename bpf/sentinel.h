/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Probes on instructions of get_futex_key(): the calls of the pin, of the page's lock and
 * unlock, what follows the pins, and the return.  A program there runs with preemption off,
 * so the kernel skips none for another task.  The unlock alone is the sentinel: the
 * function unlocks only where it found no mapping, so nothing runs for a lookup that
 * succeeds.  Today's rule decides on what is read under the lock: outside the swap cache
 * and still without a mapping the lookup fails with -EFAULT, else it retries; that the
 * function has this rule is checked before the probe is set.
 */
#ifndef FUTEXSCOPE_SENTINEL_H
#define FUTEXSCOPE_SENTINEL_H

#include "lookup.h"

/* Whether pins and returns have probes too. */
const volatile bool follows_lookups = false;

/* Too large for the stack. The probe runs with preemption off, once on a CPU. */
struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct lookup_state);
} observed SEC(".maps");

/* Describes the page that was found without a mapping, and finds what took it.  Not
 * static, for it is large: it is verified once. */
__noinline int describe_observed(__u64 page, __u64 flags)
{
	__u32 zero = 0;
	struct lookup_state *state = bpf_map_lookup_elem(&observed, &zero);

	if (state)
		describe(state, (void *)page, flags, true);
	return 0;
}

/* One observation by itself: passes, times and other retries of its lookup are not known. */
static __always_inline int observe_alone(struct pt_regs *ctx, struct page *head)
{
	__u32 zero = 0;
	__u64 now = bpf_ktime_get_ns(), word;
	struct lookup_state *state = bpf_map_lookup_elem(&observed, &zero);
	unsigned long flags = page_flags(head);
	bool is_mapped = BPF_CORE_READ(head, mapping) != NULL;
	bool retries = is_mapped || in_swap_cache(flags);

	if (!is_mapped)
		COUNT(observations);
	if (retries)
		COUNT(retries[FS_RETRY_SWIZZLED]);
	else
		COUNT(failed_unmapped);
	if (!state || (filter_by_result && retries))
		return 0;
	__builtin_memset(state, 0, sizeof(*state));
	word = word_at(ctx);
	state->uaddr = word & ~WORD_FLAGS;
	state->word_sought = true;
	state->word_known = !(word & WORD_PAGE_ONLY);
	state->flags = word & WORD_WRITE ? FS_LOOKUP_WRITE : 0;
	state->observations = !is_mapped;
	if (retries)
		state->retries[FS_RETRY_SWIZZLED] = 1;
	else
		state->flags |= FS_LOOKUP_RETURNED | FS_LOOKUP_FAILED_UNMAPPED;
	if (!is_mapped)
		describe_observed((__u64)head, flags);
	return report_lookup(state, FS_LOOKUP, now, retries ? 0 : -EFAULT);
}

/* At the instruction that unlocks the page, which is still locked. */
static __always_inline int unlock_reached(struct pt_regs *ctx, struct page *head)
{
	struct lookup_state *state = follows_lookups ? current_lookup() : NULL;

	if (!head || switched_off || !victim_is_wanted())
		return 0;
	if (state && state->head == head)
		return page_unlocks(state, head, true);
	if (follows_lookups) {
		COUNT(lookup_missed);
		if (state)
			abandon_lookup();
		/* Whether it passes these filters is not known. */
		if (min_passes || min_duration_ns)
			return 0;
	}
	return observe_alone(ctx, head);
}

#endif
