/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * One shared lookup from its first pin to its return: its passes, what each pass found
 * at the unlock of the page, and the events about it.  A pin with FOLL_WRITE begins a
 * pass; a pin without it is the second try of the same pass, for reading.
 * get_futex_key() unlocks a page only where it found no mapping (4.6, 65d8fc777f6d), so
 * its own unlock is the observation.
 *
 * The kernel may skip a program: while the same program runs in a task that was preempted,
 * while a task on this CPU updates a map, and where there is no room for the state of a
 * return.  So the order of events alone proves nothing: a pin continues a lookup only if
 * the reason for its retry was seen.  Otherwise it begins a new one.
 */
#ifndef FUTEXSCOPE_LOOKUP_H
#define FUTEXSCOPE_LOOKUP_H

#include "lookup_state.h"

/* Begins a lookup of the current task; NULL where none is followed.  `word` is the address of
 * the futex word, or any address in its page if `word_known` is false. */
static __noinline struct lookup_state *begin_lookup(__u64 word, bool word_known, __u32 flags)
{
	__u32 tid = bpf_get_current_pid_tgid();
	struct lookup_slot *slot = lookup_slot_of(tid);
	struct lookup_state *state;

	if (!slot || switched_off || !victim_is_wanted())
		return NULL;
	COUNT(lookups);
	state = lookup_of(slot, tid);
	if (state)
		COUNT(return_missed);
	else
		state = open_lookup(slot, tid);
	if (!state)
		return NULL;
	__builtin_memset(state, 0, sizeof(*state));
	state->uaddr = word;
	state->word_known = word_known;
	state->flags = FS_LOOKUP_TIMED | flags;
	state->start = bpf_ktime_get_ns();
	return state;
}

/* Why the lookup is about to run another pass; FS_RETRY_REASONS if no reason was seen.  The
 * next pin has not begun, so the variable `page` of get_futex_key() still has the page of the
 * last pass.  In a new call of that function it is empty. */
static __always_inline __u32 retry_reason(struct lookup_state *state)
{
	struct address_space *mapping = (void *)state->mapping_at_pin;
	struct page *page = NULL, *head = state->head;

	if (!state->tail)
		return FS_RETRY_REASONS;
	bpf_probe_read_kernel(&page, sizeof(page), (void *)state->pinned);
	if (page != state->tail)
		return FS_RETRY_REASONS;
	if (state->unlocked) {
		if (state->swizzled)
			return FS_RETRY_SWIZZLED;
		return has_todays_rule ? FS_RETRY_REASONS : FS_RETRY_NO_MAPPING;
	}
	if (!mapping || (__u64)mapping & 3)
		return FS_RETRY_REASONS;
	if (BPF_CORE_READ(head, mapping) != mapping)
		return FS_RETRY_MAPPING_CHANGED;
	return BPF_CORE_READ(mapping, host) ? FS_RETRY_REASONS : FS_RETRY_NO_HOST;
}

/* The index of the pinned base page in its file. */
static __always_inline __u64 pinned_index(struct lookup_state *state)
{
	struct address_space *mapping = (void *)state->mapping_at_pin;
	__u64 first = state->index_at_pin;

	if (LINUX_KERNEL_VERSION < HUGETLB_BASE_PAGES &&
	    BPF_CORE_READ(mapping, host, i_sb, s_magic) == HUGETLBFS_MAGIC)
		first *= page_count_of(state->head);
	return first + ((__u64)state->tail - (__u64)state->head) / bpf_core_type_size(struct page);
}

/* Whether the page belonged to a file when it was pinned. */
static __always_inline bool was_cached_at_pin(struct lookup_state *state)
{
	__u64 mapping = *(volatile __u64 *)&state->mapping_at_pin;

	return mapping && !(mapping & 3);
}

/* Describes the page of an observation, and what removed its mapping.  `was_pinned` says that the
 * state has the facts of the pin of this page. */
static __always_inline void describe(struct lookup_state *state, struct page *head,
				     unsigned long flags, bool with_area, bool was_pinned)
{
	__u64 mapping, index = page_index(head);
	__u8 in_spare = state->page.in_spare;

	__builtin_memset(&state->page, 0, sizeof(state->page));
	state->page.in_spare = in_spare;
	mapping = describe_page(&state->page, head, flags, state->uaddr, with_area);
	if (was_pinned && was_cached_at_pin(state)) {
		/* Since the pin, another task may have mapped something else at the address. */
		if (mapping != state->mapping_at_pin || state->page.index != pinned_index(state))
			forget_area(&state->page, pinned_index(state));
		mapping = state->mapping_at_pin;
		index = state->index_at_pin;
	} else if (was_pinned && state->page.facts & FS_PAGE_VMA_FILE &&
		   may_be_detached(&state->page) && state->page.index != pinned_index(state)) {
		/* The area maps the file, but shows another page of it by now. */
		forget_area(&state->page, pinned_index(state));
	}
	/* Without an unlock, the function has already dropped its reference to the page.  So
	 * the kernel may have used the page again, and its present flags say nothing. */
	if (!state->unlocked)
		state->page.facts &= ~(FS_PAGE_RESERVED | FS_PAGE_LARGE | FS_PAGE_SWAPCACHE |
				       FS_PAGE_NOT_UPTODATE);
	if (find_detach(&state->page, head, mapping, index, state->reported_detach)) {
		state->reported_detach = state->page.detach_time;
		return;
	}
	/* Where only the area shows the file, and the last detach of the page is from another one,
	 * the area may have come after the page.  Values are read again here: on 6.1 this and its
	 * callees have just enough stack. */
	if (!(was_pinned && was_cached_at_pin(state)) && state->page.slot == FS_SLOT_STALE &&
	    may_be_detached(&state->page))
		forget_area(&state->page, page_index(head));
}

/* Counts a retry.  If the last pass had no unlock, the function did not lock the page: the mapping
 * had changed or had lost its inode.  Then the page is described here. */
static __always_inline void count_retry(struct lookup_state *state, __u32 reason)
{
	struct fs_counters *c = my_counters();

	if (!state->unlocked)
		describe(state, state->head, page_flags(state->head), false, true);
	reason &= FS_RETRY_REASONS - 1; /* the verifier needs a bound */
	state->retries[reason]++;
	if (c)
		add(&c->retries[reason], 1);
}

/* Whether a lookup in progress matches the filters.  With a filter on the result it does not,
 * because it has no result yet. */
static __always_inline bool progress_is_wanted(struct lookup_state *state, __u64 now)
{
	return !filter_by_result && state->passes >= min_passes &&
	       now - state->start >= min_duration_ns;
}

/* Begins a pass.  Progress is reported at passes 2, 4, 8, 16 …, and each second of a long loop.
 * `at_site` says that the program runs at an instruction of get_futex_key(). */
static __always_inline void begin_pass(struct lookup_state *state, bool at_site)
{
	__u64 now;

	state->passes++;
	state->tail = NULL;
	state->head = NULL;
	state->mapping_at_pin = 0;
	state->unlocked = false;
	state->swizzled = false;
	if (state->passes < 2)
		return;
	now = bpf_ktime_get_ns();
	if (!progress_is_wanted(state, now))
		return;
	if (!(state->passes & (state->passes - 1)) ||
	    (state->passes > 64 && now - state->last_progress > 1000000000ull)) {
		state->last_progress = now;
		report(state, FS_PROGRESS, now, 0, at_site);
	}
}

/* Drops a lookup whose return was not seen. */
static __noinline int abandon_lookup(void)
{
	__u32 tid = bpf_get_current_pid_tgid();
	struct lookup_slot *slot = lookup_slot_of(tid);

	COUNT(return_missed);
	if (slot)
		close_lookup(slot, tid);
	return 0;
}

/* A pin of the lookup `state`.  Without a state, or if no reason for another pass was seen, the
 * pin belongs to a new lookup.  `may_begin` says that no other hook sees the start of lookups,
 * so that the new one must begin here. */
static __always_inline int pin_begins(struct lookup_state *state, __u64 address, __u64 pages,
				      __u32 flags, bool may_begin)
{
	__u32 reason;

	if (state && !(flags & FOLL_WRITE) && state->flags & FS_LOOKUP_PIN_FAILED) {
		state->flags |= FS_LOOKUP_READ_ONLY;
		state->flags &= ~FS_LOOKUP_PIN_FAILED;
		return 0;
	}
	if (state && state->passes) {
		reason = retry_reason(state);
		if (reason < FS_RETRY_REASONS)
			count_retry(state, reason);
		else if (may_begin)
			state = NULL;
		else
			return abandon_lookup();
	}
	if (!state)
		state = begin_lookup(address, false, 0);
	if (!state)
		return 0;
	state->pinned = pages;
	state->flags &= ~(FS_LOOKUP_PIN_FAILED | FS_LOOKUP_READ_ONLY);
	begin_pass(state, may_begin);
	return 0;
}

/* A pin has returned: keeps its page, and the mapping that the page has now. */
static __always_inline int pin_ends(struct lookup_state *state, int result)
{
	struct page *page = NULL, *head;

	if (result < 1) {
		state->flags |= FS_LOOKUP_PIN_FAILED;
		return 0;
	}
	bpf_probe_read_kernel(&page, sizeof(page), (void *)state->pinned);
	if (!page)
		return 0;
	head = page_head(page);
	state->tail = page;
	state->head = head;
	state->mapping_at_pin = (__u64)BPF_CORE_READ(head, mapping);
	state->index_at_pin = page_index(head);
	return 0;
}

/* One pass found no mapping.  A loop meets the same page repeatedly.  Such a page is described only
 * at the observations 1, 2, 4, 8 … of the lookup, as progress is reported. */
static __always_inline void observe(struct lookup_state *state, struct page *head,
				    unsigned long flags, bool with_area)
{
	bool same_page = state->page.page == (__u64)head;

	state->observations++;
	COUNT(observations);
	if (same_page && state->observations > 1 &&
	    (state->observations & (state->observations - 1)))
		return;
	describe(state, head, flags, with_area, true);
	if (!state->mapping_at_pin)
		state->page.facts |= FS_PAGE_NULL_AT_PIN;
}

/* get_futex_key() unlocks the pinned page.  The page is still locked, so the fields have the
 * values on which the kernel has decided. */
static __always_inline int page_unlocks(struct lookup_state *state, struct page *head,
					bool with_area)
{
	unsigned long flags = page_flags(head);

	state->unlocked = true;
	if (BPF_CORE_READ(head, mapping)) {
		state->swizzled = true;
		return 0;
	}
	state->swizzled = in_swap_cache(flags);
	observe(state, head, flags, with_area);
	return 0;
}

/* Counts why the lookup failed, and sets the flag for its event. */
static __always_inline void count_result(struct lookup_state *state, int result)
{
	if (result >= 0)
		return;
	if (state->flags & FS_LOOKUP_PIN_FAILED) {
		COUNT(failed_pin);
	} else if (result != -EFAULT || IS_KERNEL_ADDRESS(state->uaddr)) {
		COUNT(failed_other);
	} else if (state->unlocked) {
		state->flags |= FS_LOOKUP_FAILED_UNMAPPED;
		COUNT(failed_unmapped);
	} else if (state->mapping_at_pin & 1) {
		state->flags |= FS_LOOKUP_FAILED_READ_ONLY;
		COUNT(failed_read_only);
	} else {
		COUNT(observation_missed);
	}
}

static __always_inline bool met_something(struct lookup_state *state)
{
	return state->observations || state->passes > 1;
}

/* -EFAULT without an observation: describes what is at the address. */
static __always_inline void describe_fault(struct lookup_state *state, bool may_call)
{
	/* A lookup that needs only read access has a second pin.  This one had none. */
	if ((state->flags & (FS_LOOKUP_PIN_FAILED | FS_LOOKUP_READ_ONLY)) == FS_LOOKUP_PIN_FAILED)
		state->flags |= FS_LOOKUP_WRITE;
	/* The facts of an observation in an earlier pass stay. */
	if (!met_something(state)) {
		__u8 in_spare = state->page.in_spare;

		__builtin_memset(&state->page, 0, sizeof(state->page));
		state->page.in_spare = in_spare;
	}
	describe_failure(&state->page, state->uaddr, may_call);
}

#define FS_LOOKUP_FAULTED (FS_LOOKUP_PIN_FAILED | FS_LOOKUP_FAILED_READ_ONLY)

static __always_inline bool is_worth_reporting(struct lookup_state *state, int result, __u64 now)
{
	if (filter_by_result && result != filter_result)
		return false;
	return state->passes >= min_passes && now - state->start >= min_duration_ns;
}

/* The lookup returns.  `shared` says that it is certainly one of a shared futex, and `at_site` that
 * the program runs at an instruction of get_futex_key(). */
static __always_inline int lookup_ends(int result, bool shared, bool at_site)
{
	__u32 tid = bpf_get_current_pid_tgid();
	struct lookup_slot *slot = lookup_slot_of(tid);
	struct lookup_state *state = switched_off ? NULL : lookup_of(slot, tid);
	bool faulted;
	__u64 now;

	if (!state) {
		if (shared && !switched_off && victim_is_wanted())
			COUNT(lookup_missed);
		return 0;
	}
	/* The program at the return of a pin was skipped, so the passes after it were not seen. */
	if (state->pin_depth)
		COUNT(return_missed);
	count_result(state, result);
	faulted = result == -EFAULT && state->flags & FS_LOOKUP_FAULTED;
	/* The clock is not read for a lookup that succeeds at once. */
	now = emit_all || faulted || met_something(state) ? bpf_ktime_get_ns() : 0;
	state->flags |= FS_LOOKUP_RETURNED;
	if (now && is_worth_reporting(state, result, now)) {
		if (faulted)
			describe_fault(state, at_site);
		report(state, FS_LOOKUP, now, result, at_site);
	}
	if (slot)
		close_lookup(slot, tid);
	return 0;
}

/* --- where the whole function is hooked --------------------------------
 *
 * Without probes on call sites, the programs are on the functions that get_futex_key() calls,
 * and see every call by the task.  An unlock belongs to the lookup if the pin has returned and
 * the page is the pinned one: interrupts unlock other pages while the task runs. */

static __noinline int pin_called(struct lookup_state *state, __u64 address, __u64 pages,
				 __u32 flags)
{
	state->pin_depth++;
	if (state->pin_depth > 1 || address != page_of(state->uaddr))
		return 0;
	return pin_begins(state, address, pages, flags, false);
}

static __noinline int pin_returns(struct lookup_state *state, int result)
{
	if (!state->pin_depth || --state->pin_depth)
		return 0;
	return pin_ends(state, result);
}

static __always_inline int page_unlocked(struct lookup_state *state, struct page *head,
					 bool with_area)
{
	if (state->pin_depth || !head || state->head != head)
		return 0;
	return page_unlocks(state, head, with_area);
}

static __noinline int lock_waits(struct lookup_state *state, struct page *head)
{
	if (!state->pin_depth && state->head == head)
		state->lock_waits++;
	return 0;
}

#endif
