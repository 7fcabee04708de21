/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * One shared lookup from entry to return: its passes, what each pass found at
 * the unlock of the page, and the event at the end or on the way.  A pass is a
 * pin with FOLL_WRITE; a pin without it is the read-only second try of the
 * same pass.  get_futex_key() unlocks a page only where it found no mapping
 * (4.6, 65d8fc777f6d), so its own unlock is the observation; an unlock is its
 * own when the pin has returned and the page is the pinned one, since
 * interrupts unlock other pages on the victim's task.
 */
#ifndef FUTEXSCOPE_LOOKUP_H
#define FUTEXSCOPE_LOOKUP_H

#include "detach.h"

struct lookup_state {
	__u64 start;
	__u64 uaddr;
	__u64 pin_start;   /* of the pass in progress */
	__u64 pinned;	   /* struct page ** that the pin fills */
	struct page *head; /* head of the pinned page, NULL while there is none */
	__u64 mapping_at_pin;
	__u64 last_told;   /* time of the last progress event */
	__u64 told_detach; /* time of the last detach sent for this lookup */
	__u64 passes;
	__u64 observations;
	__u64 retries[FS_RETRY_REASONS];
	__u32 flags; /* FS_LOOKUP_ */
	__u32 lock_waits;
	__u32 pin_depth; /* a fault inside the pin may pin again */
	bool unlocked;	 /* this pass had its own unlock */
	bool swizzled;	 /* and found swap cache or a new mapping there */
	struct fs_page page;
};

/* Lookups in progress.  A task has its slot to itself if it finds nobody there,
 * and that costs an addition and a compare; the others go to a hash table.  And
 * whoever is in no lookup, which is nearly everybody who unlocks a page, sees
 * that nobody is in its slot. */
struct lookup_slot {
	__u64 users; /* tasks with this slot that are in a lookup */
	__u32 tid;   /* the one whose state is here, 0 when it is in the table */
	__u32 pad;
	struct lookup_state state;
};

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, LOOKUP_SLOTS);
	__type(key, __u32);
	__type(value, struct lookup_slot);
} lookup_slots SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, LOOKUPS_MAX);
	__type(key, __u32);
	__type(value, struct lookup_state);
} lookups SEC(".maps");

static __always_inline struct lookup_slot *lookup_slot_of(__u32 tid)
{
	__u32 slot = tid & (LOOKUP_SLOTS - 1);

	return bpf_map_lookup_elem(&lookup_slots, &slot);
}

static __always_inline struct lookup_state *lookup_of(struct lookup_slot *slot, __u32 tid)
{
	if (!slot || !*(volatile __u64 *)&slot->users)
		return NULL;
	if (*(volatile __u32 *)&slot->tid == tid)
		return &slot->state;
	return bpf_map_lookup_elem(&lookups, &tid);
}

static __always_inline struct lookup_state *current_lookup(void)
{
	__u32 tid = bpf_get_current_pid_tgid();

	return switched_off ? NULL : lookup_of(lookup_slot_of(tid), tid);
}

/* A place for the current task's state: what is there is not its own. Two tasks
 * that arrive at once both see the other, and both take the table. */
static __always_inline struct lookup_state *open_lookup(struct lookup_slot *slot, __u32 tid)
{
	static const struct lookup_state blank = {};

	add(&slot->users, 1);
	if (*(volatile __u64 *)&slot->users == 1) {
		*(volatile __u32 *)&slot->tid = tid;
		return &slot->state;
	}
	if (bpf_map_update_elem(&lookups, &tid, &blank, BPF_ANY)) {
		add(&slot->users, -1);
		COUNT(lookup_table_full);
		return NULL;
	}
	return bpf_map_lookup_elem(&lookups, &tid);
}

static __always_inline void close_lookup(struct lookup_slot *slot, __u32 tid)
{
	if (slot->tid == tid)
		*(volatile __u32 *)&slot->tid = 0;
	else
		bpf_map_delete_elem(&lookups, &tid);
	add(&slot->users, -1);
}

static __always_inline bool comm_matches(void)
{
	char comm[FS_COMM_LEN];

	bpf_get_current_comm(comm, sizeof(comm));
	for (int i = 0; i < FS_COMM_LEN; i++) {
		if (comm[i] != filter_comm[i])
			return false;
		if (!comm[i])
			break;
	}
	return true;
}

static __always_inline bool victim_is_wanted(void)
{
	__u64 id = bpf_get_current_pid_tgid();

	if (filter_pid && filter_pid != id >> 32)
		return false;
	if (filter_tid && filter_tid != (__u32)id)
		return false;
	if (filter_by_uid && filter_uid != (__u32)bpf_get_current_uid_gid())
		return false;
	if (filter_cgroup &&
	    bpf_get_current_ancestor_cgroup_id(filter_cgroup_level) != filter_cgroup)
		return false;
	return !filter_by_comm || comm_matches();
}

static __always_inline void fill_lookup(struct fs_lookup *out, struct lookup_state *state)
{
	__u64 id = bpf_get_current_pid_tgid();

	out->start = state->start;
	out->uaddr = state->uaddr;
	out->cgroup = bpf_get_current_cgroup_id();
	out->passes = state->passes;
	out->observations = state->observations;
	for (int i = 0; i < FS_RETRY_REASONS; i++)
		out->retries[i] = state->retries[i];
	out->pid = id >> 32;
	out->tid = id;
	out->uid = bpf_get_current_uid_gid();
	out->result = 0;
	out->flags = state->flags;
	out->lock_waits = state->lock_waits;
	bpf_get_current_comm(out->comm, sizeof(out->comm));
	out->page = state->page;
}

static __always_inline void tell_progress(struct lookup_state *state, __u64 now)
{
	struct fs_lookup *record = reserve(FS_PROGRESS, sizeof(*record), now);

	state->last_told = now;
	if (!record)
		return;
	fill_lookup(record, state);
	submit(record, FS_PROGRESS);
}

static __noinline int lookup_begin(__u64 uaddr, __u32 access)
{
	__u32 tid = bpf_get_current_pid_tgid();
	struct lookup_slot *slot = lookup_slot_of(tid);
	struct lookup_state *state;

	if (!slot || switched_off || !victim_is_wanted())
		return 0;
	COUNT(lookups);
	state = lookup_of(slot, tid);
	if (state)
		COUNT(return_missed);
	else
		state = open_lookup(slot, tid);
	if (!state)
		return 0;
	__builtin_memset(state, 0, sizeof(*state));
	state->uaddr = uaddr;
	state->flags = FS_LOOKUP_TIMED | (access ? FS_LOOKUP_WRITE : 0);
	state->start = bpf_ktime_get_ns();
	return 0;
}

/* The last pass went back to `again:`; says why, and what took the mapping if
 * the page was not even looked at under its lock. */
static __always_inline void count_retry(struct lookup_state *state)
{
	struct address_space *mapping = (void *)state->mapping_at_pin;
	__u32 reason;

	if (state->unlocked) {
		reason = state->swizzled ? FS_RETRY_SWIZZLED : FS_RETRY_NO_MAPPING;
	} else {
		reason = FS_RETRY_MAPPING_CHANGED;
		if (mapping && !((__u64)mapping & 3) && !BPF_CORE_READ(mapping, host))
			reason = FS_RETRY_NO_HOST;
		if (state->head) {
			__builtin_memset(&state->page, 0, sizeof(state->page));
			describe_page(&state->page, state->head, page_flags(state->head),
				      state->uaddr, false, NULL);
			ask_detach(&state->page, state->head, state->pin_start, state->told_detach,
				   NULL);
			state->told_detach = state->page.detach_time;
		}
	}
	state->retries[reason]++;
	struct fs_counters *c = my_counters();
	if (c)
		add(&c->retries[reason], 1);
}

/* Whether a lookup that is still going round passes the filters. None that asks
 * for a result does, and one that does will also be told when it ends. */
static __always_inline bool progress_is_wanted(struct lookup_state *state, __u64 now)
{
	return !filter_by_result && state->passes >= min_passes &&
	       now - state->start >= min_duration_ns;
}

/* Progress is told at passes 2, 4, 8, 16 …, and each second of a long loop. */
static __always_inline void begin_pass(struct lookup_state *state)
{
	/* The first begins with the lookup, as far as a clock can tell. */
	__u64 now = state->passes ? bpf_ktime_get_ns() : state->start;

	if (state->passes)
		count_retry(state);
	state->passes++;
	state->pin_start = now;
	state->head = NULL;
	state->unlocked = false;
	state->swizzled = false;
	if (state->passes < 2 || !progress_is_wanted(state, now))
		return;
	if (!(state->passes & (state->passes - 1)) ||
	    (state->passes > 64 && now - state->last_told > 1000000000ull))
		tell_progress(state, now);
}

static __noinline int pin_begin(struct lookup_state *state, __u64 address, __u64 pages, __u32 flags)
{
	state->pin_depth++;
	if (state->pin_depth > 1 || address != (state->uaddr & ~(PAGE_SIZE - 1)))
		return 0;
	state->pinned = pages;
	if (flags & FOLL_WRITE)
		begin_pass(state);
	else
		state->flags |= FS_LOOKUP_READ_ONLY;
	state->flags &= ~FS_LOOKUP_PIN_FAILED;
	return 0;
}

static __noinline int pin_end(struct lookup_state *state, int result)
{
	struct page *page = NULL, *head;

	if (!state->pin_depth || --state->pin_depth)
		return 0;
	if (result < 1) {
		state->flags |= FS_LOOKUP_PIN_FAILED;
		return 0;
	}
	bpf_probe_read_kernel(&page, sizeof(page), (void *)state->pinned);
	if (!page)
		return 0;
	head = page_head(page);
	state->head = head;
	state->mapping_at_pin = (__u64)BPF_CORE_READ(head, mapping);
	return 0;
}

static __noinline int lock_waits(struct lookup_state *state, struct page *head)
{
	if (!state->pin_depth && state->head == head)
		state->lock_waits++;
	return 0;
}

/* One pass found no mapping. A loop meets the same page again and again: it is
 * described at first, and when its progress is told. */
static __always_inline void observe(struct lookup_state *state, struct page *head,
				    unsigned long flags, bool with_area)
{
	bool same_page = state->page.page == (__u64)head;

	state->observations++;
	COUNT(observations);
	if (same_page && state->observations > 1 &&
	    (state->observations & (state->observations - 1)))
		return;
	__builtin_memset(&state->page, 0, sizeof(state->page));
	describe_page(&state->page, head, flags, state->uaddr, with_area, NULL);
	if (!state->mapping_at_pin)
		state->page.facts |= FS_PAGE_NULL_AT_PIN;
	ask_detach(&state->page, head, state->pin_start, state->told_detach, NULL);
	state->told_detach = state->page.detach_time;
}

/* At the function's own unlock the page is still locked: what is read here is
 * what the kernel decides on. */
static __always_inline int page_unlocked(struct lookup_state *state, struct page *head,
					 bool with_area)
{
	unsigned long flags;

	if (state->pin_depth || !head || state->head != head)
		return 0;
	flags = page_flags(head);
	state->unlocked = true;
	if (BPF_CORE_READ(head, mapping)) {
		state->swizzled = true;
		return 0;
	}
	state->swizzled = in_swap_cache(flags);
	observe(state, head, flags, with_area);
	return 0;
}

/* Why the lookup failed, counted and noted for its event.  A trampoline that was
 * preempted on this CPU makes the kernel skip the same program for others, the
 * unlock's among them.  Nothing is lost by that: after the pin, a lookup fails
 * with -EFAULT for an anonymous page that it may not write, or for a missing
 * mapping outside the swap cache, and for nothing else. */
static __always_inline void count_result(struct lookup_state *state, int result, bool with_area)
{
	if (result >= 0)
		return;
	if (state->flags & FS_LOOKUP_PIN_FAILED) {
		COUNT(failed_pin);
	} else if (result != -EFAULT || (__s64)state->uaddr < 0) {
		COUNT(failed_other);
	} else if (!state->head) {
		COUNT(observation_missed);
	} else if (!state->unlocked && state->mapping_at_pin & 1) {
		state->flags |= FS_LOOKUP_FAILED_READ_ONLY;
		COUNT(failed_read_only);
	} else {
		if (!state->unlocked)
			observe(state, state->head, page_flags(state->head), with_area);
		state->flags |= FS_LOOKUP_FAILED_UNMAPPED;
		COUNT(failed_unmapped);
	}
}

static __always_inline bool met_something(struct lookup_state *state)
{
	return state->observations || state->passes > 1;
}

static __always_inline bool is_worth_telling(struct lookup_state *state, int result, __u64 now)
{
	if (filter_by_result && result != filter_result)
		return false;
	return state->passes >= min_passes && now - state->start >= min_duration_ns;
}

/* `shared` says that the caller knows this lookup to be one. */
static __always_inline int lookup_end(int result, bool shared, bool with_area)
{
	__u32 tid = bpf_get_current_pid_tgid();
	struct lookup_slot *slot = lookup_slot_of(tid);
	struct lookup_state *state = switched_off ? NULL : lookup_of(slot, tid);
	struct fs_lookup *record;
	__u64 now;

	if (!state) {
		if (shared && !switched_off && victim_is_wanted())
			COUNT(lookup_missed);
		return 0;
	}
	count_result(state, result, with_area);
	/* The clock is not read for a lookup that goes well. */
	now = emit_all || met_something(state) ? bpf_ktime_get_ns() : 0;
	if (now && is_worth_telling(state, result, now)) {
		record = reserve(FS_LOOKUP, sizeof(*record), now);
		if (record) {
			fill_lookup(record, state);
			record->result = result;
			record->flags |= FS_LOOKUP_RETURNED;
			submit(record, FS_LOOKUP);
		}
	}
	if (slot)
		close_lookup(slot, tid);
	return 0;
}

#endif
