/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The detach table: the last detach of every page that another task held while the page
 * lost its mapping.  There is no lock, and a detach alone is no event.  Each page has a set
 * of two slots, and a detach of another page replaces the older one.
 *
 * A writer adds 1 to `begun`, writes, and adds 1 to `done`.  So a slot is being written while
 * the two differ.  A second writer that begins then sees a difference of more than 1: it
 * drops its detach and counts that.  (Two that begin at once may both drop theirs.)  A reader
 * sees the difference too, and reports FS_SLOT_TORN.  So nobody uses a mixture of two
 * detaches.
 *
 * An observation accepts the stored detach if the page, its file and its index in that file
 * are the same.  The age of the detach does not matter: the victim of an observation held its
 * page while that was detached, and every detach of a held page is stored.  So the last one
 * that is stored for this page, file and index is the one that the observation met.
 */
#ifndef FUTEXSCOPE_DETACH_H
#define FUTEXSCOPE_DETACH_H

#include "activity.h"
#include "page.h"

struct detach_slot {
	__u64 begun;
	__u64 done;
	__u64 lost_since; /* detaches of this slot's pages dropped since the write */
	__u64 mapping;	  /* struct address_space that the page was detached from */
	struct fs_detach detach;
};

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, DETACH_SLOTS);
	__type(key, __u32);
	__type(value, struct detach_slot);
} detaches SEC(".maps");

/* A memory barrier: reads and writes before it happen before those after it, for other CPUs too.
 * x86 itself keeps the order of two reads and of two writes, which is all that is needed here.  On
 * arm64 an atomic addition whose result is used keeps the order. */
static __always_inline void keep_order(void)
{
#ifdef __TARGET_ARCH_arm64
	__u64 word = 0;

	asm volatile("" ::"r"(__sync_fetch_and_add(&word, 1)) : "memory");
#else
	asm volatile("" ::: "memory");
#endif
}

/* One of the two slots of a page. */
static __always_inline struct detach_slot *slot_of(__u64 head, __u32 way)
{
	/* Fibonacci hashing.  struct page has 64 bytes, so the six low bits are always 0. */
	__u32 set = ((head >> 6) * 0x9e3779b97f4a7c15ull) >> 53;
	__u32 slot = (set * 2 + way) & (DETACH_SLOTS - 1);

	return bpf_map_lookup_elem(&detaches, &slot);
}

/* The slot that has a detach of this page, or else the older one.  A page is never in both slots,
 * because its detaches come one after the other, under the lock of the page. */
static __always_inline struct detach_slot *slot_for(__u64 head)
{
	struct detach_slot *one = slot_of(head, 0), *two = slot_of(head, 1);

	if (!one || !two || one->detach.page == head)
		return one;
	return two->detach.page == head || two->detach.h.time < one->detach.h.time ? two : one;
}

static __always_inline bool no_slot_is_used(__u64 head)
{
	struct detach_slot *one = slot_of(head, 0), *two = slot_of(head, 1);

	return one && two && !one->detach.page && !two->detach.page;
}

static __always_inline void fill_file(struct fs_detach *out, struct page *head,
				      struct address_space *mapping)
{
	struct inode *inode = BPF_CORE_READ(mapping, host);

	out->inode = BPF_CORE_READ(inode, i_ino);
	out->file_size = BPF_CORE_READ(inode, i_size);
	out->dev = BPF_CORE_READ(inode, i_sb, s_dev);
	out->fs_magic = BPF_CORE_READ(inode, i_sb, s_magic);
	out->index = page_index(head);
}

/* Stores the range that the current task removes from a file, if any.  It comes from the
 * registers of its system call or, for io_uring and file servers, from its last entry into
 * vfs_fallocate().  Swift code uses it only if the stack shows that function.  Other entries
 * of `operations` serve as counts only: their hooks can be skipped, so an entry may be old. */
static __always_inline void fill_cut(struct fs_detach *out, __u32 tid)
{
	struct operation_key key = { .tid = tid, .hook = FS_HOOK_FALLOCATE };
	struct operation *operation = bpf_map_lookup_elem(&operations, &key);
	struct cut cut = current_cut();

	if (!cut.range_known && operation) {
		if (!cut.kind)
			cut.kind = operation->kind;
		cut.range_known = true;
		cut.start = operation->range_start;
		cut.end = operation->range_end;
	}
	out->scope = cut.kind;
	out->range_known = cut.range_known;
	out->range_start = cut.start;
	out->range_end = cut.end;
}

/* Writes a detach without its stack into its slot; false when another writer has the slot.
 * The caller must add 1 to `done` after it has written the stack.  The function is not static,
 * so the verifier checks it once, and not once for each hook. */
__noinline int begin_detach(__u64 page, __u32 pages, int refcount, __u32 via)
{
	struct page *head = (void *)page;
	struct detach_slot *slot = slot_for(page);
	struct address_space *mapping;
	struct fs_detach *detach;
	__u64 id = bpf_get_current_pid_tgid();

	if (!slot)
		return false;
	add(&slot->begun, 1);
	keep_order();
	if (*(volatile __u64 *)&slot->begun - *(volatile __u64 *)&slot->done != 1) {
		add(&slot->lost_since, 1);
		add(&slot->done, 1);
		COUNT(slot_collision);
		return false;
	}
	detach = &slot->detach;
	mapping = BPF_CORE_READ(head, mapping);
	slot->lost_since = 0;
	slot->mapping = (__u64)mapping;
	detach->h.time = bpf_ktime_get_ns();
	detach->h.kind = FS_DETACH;
	detach->h.size = sizeof(*detach);
	detach->h.in_spare = 0;
	detach->page = page;
	fill_file(detach, head, mapping);
	fill_cut(detach, id);
	detach->cgroup = bpf_get_current_cgroup_id();
	detach->pages = pages;
	detach->refcount = refcount;
	detach->pid = id >> 32;
	detach->tid = id;
	bpf_get_current_comm(detach->comm, sizeof(detach->comm));
	detach->via = via;
	return true;
}

static __always_inline void store_detach(void *ctx, struct page *head, __u32 pages, int refcount,
					 __u8 via)
{
	struct detach_slot *slot;
	struct fs_detach *detach;
	long bytes;

	if (!begin_detach((__u64)head, pages, refcount, via))
		return;
	slot = slot_for((__u64)head);
	if (!slot)
		return;
	detach = &slot->detach;
	bytes = bpf_get_stack(ctx, detach->stack, sizeof(detach->stack), 0);
	detach->stack_depth = bytes > 0 ? bytes / sizeof(__u64) : 0;
	keep_order();
	add(&slot->done, 1);
	COUNT(detaches_held);
}

/* A page is about to leave the page cache; its mapping is still set.  The page cache has one
 * reference for each base page, and the remover has one more.  Any further reference is that
 * of another task, and then the detach is stored.  A count of 0 is frozen: no other task can
 * hold the page.  Until 6.7 hugetlbfs had one reference for a whole huge page (a08c7193e4f1). */
static __always_inline int page_leaves_cache(void *ctx, struct page *head)
{
	int refcount = BPF_CORE_READ(head, _refcount.counter);
	__u32 pages = page_count_of(head);

	if (switched_off)
		return 0;
	count_detach(bpf_get_current_pid_tgid(), pages);
	if (refcount > 2 && (refcount > (int)pages + 1 ||
			     BPF_CORE_READ(head, mapping, host, i_sb, s_magic) == HUGETLBFS_MAGIC))
		store_detach(ctx, head, pages, refcount, FS_VIA_PAGE_CACHE);
	return 0;
}

/* A page of shared memory moves to the swap cache.  pageout() has just checked that only the
 * cache and the remover hold the page, so another holder is rare: it has come since. */
static __always_inline int page_swaps_out(void *ctx, struct page *head)
{
	int refcount = BPF_CORE_READ(head, _refcount.counter);
	__u32 pages = page_count_of(head);

	if (switched_off)
		return 0;
	operation_begin(FS_HOOK_SWAP_OUT, FS_ACT_SWAP_OUT, 0, 0);
	count_pages(FS_ACT_SWAP_OUT, pages);
	note_pages(bpf_get_current_pid_tgid(), pages);
	if (refcount > (int)pages + 1)
		store_detach(ctx, head, pages, refcount, FS_VIA_SWAP_OUT);
	return 0;
}

/* A page migrates.  This runs after its copy has got the mapping, and before the page itself
 * loses it.  By then the page cache has no reference any more, and the mover has one. */
static __always_inline int page_migrates(void *ctx, struct page *head)
{
	int refcount = BPF_CORE_READ(head, _refcount.counter);
	__u32 pages = page_count_of(head);

	if (switched_off || (unsigned long)BPF_CORE_READ(head, mapping) & 3)
		return 0; /* anonymous: no file loses it */
	count_pages(FS_ACT_MIGRATION, pages);
	note_pages(bpf_get_current_pid_tgid(), pages);
	if (refcount > 2)
		store_detach(ctx, head, pages, refcount, FS_VIA_MIGRATION);
	return 0;
}

/* Whether `index` of a file is in a folio of `pages` pages that is at `first`. */
static __always_inline bool is_in_folio(__u64 index, __u64 first, __u32 pages, __u32 fs_magic)
{
	if (fs_magic == HUGETLBFS_MAGIC && LINUX_KERNEL_VERSION < HUGETLB_BASE_PAGES)
		first *= pages;
	return index - first < pages;
}

/* Whether the detach took its page from `mapping` at `index`; a page keeps its index until it
 * is freed.  If the area of the futex is known, it must also show one of the detached pages. */
static __always_inline bool is_detach_of(struct detach_slot *slot, struct fs_page *page,
					 __u64 mapping, __u64 index)
{
	struct fs_detach *detach = &slot->detach;

	if (!mapping || slot->mapping != mapping || detach->index != index)
		return false;
	return !(page->facts & FS_PAGE_VMA_FILE) ||
	       is_in_folio(page->index, index, detach->pages, detach->fs_magic);
}

/* Whether the page was in no page cache while the victim held it, so that it has no detach: a
 * reserved page, or one that was never up to date and belongs to no file.  Pages of files can lose
 * that flag when they are detached, as those of hugetlbfs do. */
static __always_inline bool was_never_cached(struct fs_page *page)
{
	const __u32 area = FS_PAGE_VMA_KNOWN | FS_PAGE_VMA_FILE | FS_PAGE_VMA_DRIVER;
	const __u32 file = FS_PAGE_VMA_KNOWN | FS_PAGE_VMA_FILE;

	if (page->facts & FS_PAGE_RESERVED)
		return true;
	return page->facts & FS_PAGE_NOT_UPTODATE && page->facts & FS_PAGE_VMA_KNOWN &&
	       (page->facts & area) != file;
}

/* Whether a detach that is stored for the page can be from its present use.  The kernel removes the
 * flags of a page that it uses again, but hugetlbfs removes PG_uptodate as well. */
static __always_inline bool may_be_detached(struct fs_page *page)
{
	if (page->facts & FS_PAGE_RESERVED)
		return false;
	return !(page->facts & FS_PAGE_NOT_UPTODATE) || page->facts & FS_PAGE_LARGE;
}

/* Searches the detach that took `head` from `mapping`, where it was at `index`, and stores the
 * answer in `out`.  A detach that is found is sent to the ring, unless `reported` is its time:
 * then it was sent before.  Returns whether the ring has or had it. */
static __always_inline bool find_detach(struct fs_page *out, struct page *head, __u64 mapping,
					__u64 index, __u64 reported)
{
	struct detach_slot *slot = slot_for((__u64)head);
	struct fs_detach *record;
	__u64 begun, time;

	out->detach_time = 0;
	out->slot = FS_SLOT_EMPTY;
	if (!slot)
		return false;
	begun = *(volatile __u64 *)&slot->begun;
	if (begun != *(volatile __u64 *)&slot->done || slot->lost_since) {
		out->slot = FS_SLOT_TORN;
		return false;
	}
	keep_order();
	if (slot->detach.page != (__u64)head) {
		/* If neither slot was ever used, this page had no detach.  If one was, a detach of
		 * this page may have been dropped while that slot was written. */
		if (no_slot_is_used((__u64)head) || was_never_cached(out))
			return false;
		out->slot = FS_SLOT_OTHER_PAGE; /* it may have replaced that of this page */
		COUNT(slot_overwritten);
		return false;
	}
	if (!is_detach_of(slot, out, mapping, index)) {
		/* A writer that has begun since may have changed what was compared. */
		keep_order();
		out->slot = begun == *(volatile __u64 *)&slot->begun ? FS_SLOT_STALE : FS_SLOT_TORN;
		return false;
	}
	time = slot->detach.h.time;
	out->slot = FS_SLOT_FOUND;
	out->detach_time = time;
	if (time == reported)
		return true;
	record = reserve(FS_DETACH, sizeof(*record), time, out->in_spare);
	if (!record) /* counted as a loss; the lookup shows that its detach existed */
		return false;
	out->in_spare = record->h.in_spare;
	__builtin_memcpy(record, &slot->detach, sizeof(*record));
	keep_order();
	if (begun != *(volatile __u64 *)&slot->begun) {
		out->slot = FS_SLOT_TORN;
		out->detach_time = 0;
		bpf_ringbuf_discard(record, 0);
		return false;
	}
	submit(record, FS_DETACH);
	return true;
}

#endif
