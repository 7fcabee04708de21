/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Operations that detach pages, from their entry to their return.  `operations` has each
 * operation in progress.  `scopes` shows at low cost, with one load and one comparison, in
 * which operation a task is when it detaches a page.  If two tasks share a slot of `scopes`,
 * the pages of one of them are counted under no operation.  Its causes stay right, because
 * a cause comes from the stack of the task.
 */
#ifndef FUTEXSCOPE_ACTIVITY_H
#define FUTEXSCOPE_ACTIVITY_H

#include "cut.h"

struct operation_key {
	__u32 tid;
	__u32 hook; /* enum fs_hook: a task may be in several operations */
};

struct operation {
	__u64 start;
	__u64 range_start;
	__u64 range_end;
	__u64 pages; /* pages_of() its scope when the operation began */
	__u32 kind;
	__u32 outer_kind;
	__u32 depth; /* calls of the same function for the same range inside this one */
	__u32 pad;
};

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, OPERATIONS_MAX);
	__type(key, struct operation_key);
	__type(value, struct operation);
} operations SEC(".maps");

struct scope {
	__u32 tid; /* 0 when its task is in no operation */
	__u32 kind;
	/* Pages that the task has detached since it got the slot, and how many of them are in
	 * the totals already.  So a detach costs one addition here, and the totals are updated
	 * once for each operation. */
	__u64 folios;
	__u64 further_pages; /* beyond one for each folio */
	__u64 folios_counted;
	__u64 pages_counted;
	__u64 pad[3]; /* a power of two: a shift finds a slot */
};

static struct scope scopes[SCOPE_SLOTS];

static __always_inline __u64 pages_of(struct scope *scope)
{
	return scope->folios + scope->further_pages;
}

/* The operation at each hook; 0 for a hook without one, or whose program chooses it. */
static const __u8 kind_of_hook[FS_HOOKS] = {
	[FS_HOOK_DROP_CACHES] = FS_ACT_DROP_CACHES,
	[FS_HOOK_INVALIDATE2] = FS_ACT_DIRECT_IO_INVALIDATION,
	[FS_HOOK_RECLAIM_DIRECT] = FS_ACT_RECLAIM,
	[FS_HOOK_RECLAIM_MEMCG] = FS_ACT_RECLAIM,
	[FS_HOOK_RECLAIM_KSWAPD] = FS_ACT_RECLAIM,
	[FS_HOOK_RECLAIM_LIST] = FS_ACT_RECLAIM,
	[FS_HOOK_TRUNCATE] = FS_ACT_TRUNCATE,
	[FS_HOOK_TRUNCATE_SHMEM] = FS_ACT_TRUNCATE,
	[FS_HOOK_TRUNCATE_HUGETLB] = FS_ACT_TRUNCATE,
	[FS_HOOK_BLOCK_DEVICE] = FS_ACT_BLOCK_ZERO_OUT,
	[FS_HOOK_MIGRATE] = FS_ACT_MIGRATION,
	[FS_HOOK_COLLAPSE] = FS_ACT_COLLAPSE,
	[FS_HOOK_SPLIT] = FS_ACT_SPLIT,
	[FS_HOOK_MEMORY_FAILURE] = FS_ACT_MEMORY_FAILURE,
};

static __always_inline struct scope *scope_of(__u32 tid)
{
	return &scopes[tid & (SCOPE_SLOTS - 1)];
}

static __always_inline void count_pages(__u32 kind, __u64 pages)
{
	struct fs_counters *c = my_counters();

	if (c && kind < FS_ACT_KINDS)
		add(&c->activities[kind].pages, pages);
}

/* Counts a folio that leaves the page cache.  If the task is in no operation, no later settle()
 * would add its pages to the totals, so they are added here. */
static __always_inline void count_detach(__u32 tid, __u64 pages)
{
	struct scope *scope = scope_of(tid);

	if (scope->tid == tid) {
		scope->folios++;
		scope->further_pages += pages - 1;
		return;
	}
	COUNT(detaches);
	count_pages(FS_ACT_NONE, pages);
}

/* Adds pages to the operation of the task that are in the totals already, under another kind:
 * those of a migration or a swap-out within a reclaim. */
static __always_inline void note_pages(__u32 tid, __u64 pages)
{
	struct scope *scope = scope_of(tid);

	if (scope->tid == tid) {
		scope->further_pages += pages;
		scope->pages_counted += pages;
	}
}

/* Adds the pages that were detached under the present kind to the totals.  It must be called
 * before the kind changes. */
static __always_inline void settle(struct scope *scope)
{
	__u64 folios = scope->folios - scope->folios_counted;
	__u64 pages = pages_of(scope) - scope->pages_counted;
	struct fs_counters *c = my_counters();

	if (!folios || !c)
		return;
	scope->folios_counted += folios;
	scope->pages_counted += pages;
	count_pages(scope->kind, pages);
	add(&c->detaches, folios);
}

/* Whether start and end of an operation are reported, because it is rare or long. */
static __always_inline bool is_reported_in_time(__u32 kind)
{
	return kind == FS_ACT_DROP_CACHES || kind == FS_ACT_RECLAIM ||
	       kind == FS_ACT_MEMORY_FAILURE;
}

/* Whether the end of an operation is reported.  A frequent operation is reported if it has
 * detached pages.  Collapse and split remove no pages from the page cache, so they are
 * reported without. */
static __always_inline bool is_reported_at_end(__u32 kind, __u64 pages)
{
	return is_reported_in_time(kind) ||
	       (emit_activities && (pages || kind == FS_ACT_COLLAPSE || kind == FS_ACT_SPLIT));
}

static __always_inline void emit_activity(__u32 kind, __u32 tid, __u32 pid, __u64 now, __u64 start,
					  __u64 pages, bool end)
{
	struct fs_activity *record;

	if (!ring_has_room()) {
		COUNT(ring_full[FS_ACTIVITY]);
		return;
	}
	record = reserve(FS_ACTIVITY, sizeof(*record), now, false);
	if (!record)
		return;
	record->duration = now - start;
	record->pages = pages;
	record->cgroup = bpf_get_current_cgroup_id();
	record->pid = pid;
	record->tid = tid;
	bpf_get_current_comm(record->comm, sizeof(record->comm));
	record->kind = kind;
	record->end = end;
	__builtin_memset(record->pad, 0, sizeof(record->pad));
	submit(record, FS_ACTIVITY);
}

/* An operation begins.  The function is not static, so the verifier checks it once, and not once
 * for each hook. */
__noinline int operation_begin(__u32 hook, __u32 kind, __u64 range_start, __u64 range_end)
{
	__u64 id = bpf_get_current_pid_tgid();
	struct operation_key key = { .tid = id, .hook = hook };
	struct operation operation = {
		.start = bpf_ktime_get_ns(),
		.range_start = range_start,
		.range_end = range_end,
		.kind = kind,
	};
	struct operation *running = bpf_map_lookup_elem(&operations, &key);
	struct scope *scope = scope_of(key.tid);

	if (switched_off)
		return 0;
	/* A file system on top of another one, such as overlayfs, calls the function again for
	 * the lower file.  Both calls are one operation. */
	if (running && (hook == FS_HOOK_FALLOCATE || hook == FS_HOOK_FADVISE) &&
	    running->range_start == range_start && running->range_end == range_end) {
		running->depth++;
		return 0;
	}
	if (running)
		COUNT(return_missed);
	if (scope->tid == key.tid)
		operation.outer_kind = scope->kind;
	else if (scope->tid)
		COUNT(scope_collision);
	/* A hole punch or an operation of a block device also calls the truncate functions.
	 * That is one operation. */
	if (kind == FS_ACT_TRUNCATE && operation.outer_kind)
		return 0;
	/* The outermost operation is the one that was requested.  Only reclaim starts inside
	 * another operation and is independent of it. */
	if (!operation.outer_kind || kind == FS_ACT_RECLAIM) {
		settle(scope);
		scope->kind = kind;
		scope->tid = key.tid;
	}
	if (scope->tid == key.tid)
		operation.pages = pages_of(scope);
	if (bpf_map_update_elem(&operations, &key, &operation, BPF_ANY)) {
		COUNT(operation_table_full);
		return 0;
	}
	if (is_reported_in_time(kind))
		emit_activity(kind, key.tid, id >> 32, operation.start, operation.start, 0, false);
	return 0;
}

/* An operation ends. */
__noinline int operation_end(__u32 hook)
{
	__u64 id = bpf_get_current_pid_tgid();
	struct operation_key key = { .tid = id, .hook = hook };
	struct operation *operation = bpf_map_lookup_elem(&operations, &key);
	struct fs_counters *c = my_counters();
	struct scope *scope = scope_of(key.tid);
	__u64 now, pages = 0;
	__u32 kind;

	if (!operation || switched_off)
		return 0;
	if (operation->depth) {
		operation->depth--;
		return 0;
	}
	now = bpf_ktime_get_ns();
	kind = operation->kind;
	if (c && kind < FS_ACT_KINDS) {
		add(&c->activities[kind].operations, 1);
		add(&c->activities[kind].duration, now - operation->start);
	}
	if (scope->tid == key.tid) {
		settle(scope);
		pages = pages_of(scope) - operation->pages;
		scope->kind = operation->outer_kind;
		if (!scope->kind)
			scope->tid = 0;
	}
	if (is_reported_at_end(kind, pages))
		emit_activity(kind, key.tid, id >> 32, now, operation->start, pages, true);
	bpf_map_delete_elem(&operations, &key);
	return 0;
}

/* posix_fadvise() detaches only for one piece of advice. */
static __always_inline int fadvise_begin(__u64 offset, __u64 length, int advice)
{
	if (advice == MADV_DONTNEED_ADVICE)
		operation_begin(FS_HOOK_FADVISE, FS_ACT_FADVISE, offset, offset + length);
	return 0;
}

/* fallocate() detaches pages only in the modes that cut.  The range shows later whether a hole
 * was in the victim's page or in another page of the same folio. */
static __always_inline int fallocate_begin(__u32 mode, __u64 offset, __u64 length)
{
	__u32 kind = cut_of_mode(mode);

	if (kind)
		operation_begin(FS_HOOK_FALLOCATE, kind, offset, offset + length);
	return 0;
}

#endif
