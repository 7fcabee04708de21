/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The state of one lookup in progress, the place where it is kept, whose lookups are
 * followed, and the event about one.  The course of a lookup is in lookup.h.
 */
#ifndef FUTEXSCOPE_LOOKUP_STATE_H
#define FUTEXSCOPE_LOOKUP_STATE_H

#include "detach.h"
#include "word.h"

struct lookup_state {
	__u64 start;
	__u64 uaddr;	   /* of the futex word, or of its page while that is not known */
	__u64 pinned;	   /* struct page ** that the pin fills */
	struct page *tail; /* the pinned page, NULL while there is none */
	struct page *head;
	__u64 mapping_at_pin;
	__u64 index_at_pin;    /* of the head in its file */
	__u64 last_progress;   /* time of the last progress event */
	__u64 reported_detach; /* time of the last detach sent for this lookup */
	__u64 passes;
	__u64 observations;
	__u64 retries[FS_RETRY_REASONS];
	__u32 flags; /* FS_LOOKUP_ */
	__u32 lock_waits;
	__u32 pin_depth;  /* a fault inside the pin may pin again */
	bool word_sought; /* in the arguments of the system call */
	bool word_known;  /* uaddr is the word */
	bool unlocked;	  /* this pass had its own unlock */
	bool swizzled;	  /* and found swap cache or a new mapping there */
	struct fs_page page;
};

/* Lookups in progress.  A task uses its slot alone if no other task is in it; that costs an
 * addition and a comparison.  Other tasks use a hash table.  A task without a lookup sees
 * that its slot is not in use. */
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

/* A place for the current task's state, with the contents of an earlier use. Two tasks that
 * arrive at once both see the other, and both use the table. */
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

/* The word may have to be found in the system call's arguments.  That is done only for
 * lookups that are reported. */
static __always_inline void find_word(struct lookup_state *state)
{
	__u64 word;

	if (state->word_known || state->word_sought)
		return;
	state->word_sought = true;
	word = word_in_page(page_of(state->uaddr));
	if (word & WORD_WRITE)
		state->flags |= FS_LOOKUP_WRITE;
	if (!word || word & WORD_PAGE_ONLY)
		return;
	state->uaddr = word & ~WORD_FLAGS;
	state->word_known = true;
}

static __always_inline void fill_lookup(struct fs_lookup *out, struct lookup_state *state)
{
	__u64 id = bpf_get_current_pid_tgid();

	out->start = state->start;
	out->uaddr = state->word_known ? state->uaddr : 0;
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
	out->operation = current_operation(state->uaddr);
	__builtin_memset(out->pad, 0, sizeof(out->pad));
}

static __noinline int report_lookup(struct lookup_state *state, __u32 kind, __u64 now, int result)
{
	struct fs_lookup *record;

	record = reserve(kind, sizeof(*record), now, state->page.in_spare);
	if (!record)
		return 0;
	fill_lookup(record, state);
	record->result = result;
	state->page.in_spare = record->h.in_spare;
	submit(record, kind);
	return 0;
}

/* `at_site` says that the entry of the function was not seen, so the word is not known yet.
 * Only programs that are loaded where bpf_loop() exists search for it. */
static __always_inline void report(struct lookup_state *state, __u32 kind, __u64 now, int result,
				   bool at_site)
{
	if (at_site)
		find_word(state);
	report_lookup(state, kind, now, result);
}

#endif
