/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Probes on instructions of get_futex_key(): the calls of the pin, of the page's lock and
 * unlock, the instructions after the pins, and the return.  A program there runs with
 * preemption off, so the kernel skips none because of another task.
 *
 * At the depth `sentinel` a lookup that succeeds at its first pin runs no program.  The
 * unlock has a probe: the function unlocks only where it found no mapping.  An -EFAULT
 * without an observation comes from the pin.  The probes for it are at the code that runs
 * only after a pin has returned this error.
 *
 * The result of an observation follows from the rule `swizzle`: if the page has no mapping
 * and is not in the swap cache, the lookup fails with -EFAULT, else it retries.  Before the
 * probes are set, Swift code checks that the function has this rule.
 */
#ifndef FUTEXSCOPE_SENTINEL_H
#define FUTEXSCOPE_SENTINEL_H

#include "lookup.h"

/* Whether pins and returns have probes too: the depth is `full`. */
const volatile bool follows_lookups = false;

/* The state of an observation, which is too large for the stack.  One for each CPU is enough,
 * because these programs run with preemption off. */
struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct lookup_state);
} observed SEC(".maps");

/* Describes the page that was found without a mapping, and finds what removed the mapping.
 * It is large and not static, so the verifier checks it once. */
__noinline int describe_observed(__u64 page, __u64 flags)
{
	__u32 zero = 0;
	struct lookup_state *state = bpf_map_lookup_elem(&observed, &zero);

	if (state)
		describe(state, (void *)page, flags, true, false);
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
	state->unlocked = true; /* the page is still locked, so its flags are valid */
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
		/* Passes and duration are not known, so these filters cannot accept it. */
		if (min_passes || min_duration_ns)
			return 0;
	}
	return observe_alone(ctx, head);
}

/* For a lookup that needs only read access, get_futex_key() repeats a pin that failed, without
 * FOLL_WRITE.  Such a lookup has one of these bits set in this one of the kept registers. */
const volatile __u32 reads_register = 0;
const volatile __u64 reads_mask = 0;

/* Reports a failure without an observation, with the area at its address if that is known. */
static __always_inline int report_fault(struct lookup_state *state, bool address_known)
{
	if (filter_by_result && filter_result != -EFAULT)
		return 0;
	state->flags |= FS_LOOKUP_RETURNED;
	if (address_known)
		describe_fault(state, true);
	report(state, FS_LOOKUP, bpf_ktime_get_ns(), -EFAULT, true);
	return 0;
}

/* The first pin has failed with -EFAULT, and so has the lookup if it needs write access. */
static __always_inline int pin_faulted(struct pt_regs *ctx)
{
	__u32 zero = 0;
	struct lookup_state *state = bpf_map_lookup_elem(&observed, &zero);
	struct moment *moment = this_moment();
	__u64 word;

	if (!state || !moment || switched_off)
		return 0;
	keep_registers(moment, ctx);
	if (reads_register >= KEPT_REGISTERS || moment->kept[reads_register] & reads_mask)
		return 0;
	if (!victim_is_wanted())
		return 0;
	COUNT(failed_pin);
	word = word_at(ctx);
	__builtin_memset(state, 0, sizeof(*state));
	state->uaddr = word & ~WORD_FLAGS;
	state->word_sought = true;
	state->word_known = word && !(word & WORD_PAGE_ONLY);
	state->flags = FS_LOOKUP_WRITE | FS_LOOKUP_PIN_FAILED;
	/* 0 means that no word was found.  A futex at NULL is not 0 here, because a lookup that
	 * needs write access has WORD_WRITE set. */
	return report_fault(state, word != 0);
}

/* The second pin, without FOLL_WRITE, is about to begin. */
static __always_inline int second_pin_begins(__u64 address, __u64 pages)
{
	__u32 tid = bpf_get_current_pid_tgid();
	struct lookup_slot *slot = lookup_slot_of(tid);
	struct lookup_state *state;

	if (!slot || switched_off || !victim_is_wanted())
		return 0;
	state = lookup_of(slot, tid);
	if (!state)
		state = open_lookup(slot, tid);
	if (!state)
		return 0;
	__builtin_memset(state, 0, sizeof(*state));
	state->uaddr = address;
	state->pinned = pages;
	return 0;
}

/* The second pin, for reading, has returned.  get_futex_key() refuses an anonymous page that is
 * read-only, because no task can change it. */
static __always_inline int second_pin_ends(int result)
{
	__u32 tid = bpf_get_current_pid_tgid();
	struct lookup_slot *slot = lookup_slot_of(tid);
	struct lookup_state *state = switched_off ? NULL : lookup_of(slot, tid);

	if (!state || !slot)
		return 0;
	state->flags = FS_LOOKUP_READ_ONLY;
	pin_ends(state, result);
	if (result == -EFAULT) {
		COUNT(failed_pin);
		report_fault(state, true);
	} else if (state->mapping_at_pin & 1) {
		COUNT(failed_read_only);
		state->flags |= FS_LOOKUP_FAILED_READ_ONLY;
		report_fault(state, true);
	}
	close_lookup(slot, tid);
	return 0;
}

#endif
