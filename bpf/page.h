/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The page: its head, its flags, its file, and the memory area through which a victim sees
 * it.  Only facts are collected; Swift code decides what they mean.  A page may be freed
 * while it is read.  The reads use bpf_probe_read_kernel, so they cannot fault, and only
 * the facts about a page that no task holds can be wrong.
 */
#ifndef FUTEXSCOPE_PAGE_H
#define FUTEXSCOPE_PAGE_H

#include "name.h"

static __always_inline unsigned long page_flags(struct page *page)
{
	struct page___memdesc *wrapped = (void *)page;

	if (bpf_core_field_exists(page->flags))
		return BPF_CORE_READ(page, flags);
	return BPF_CORE_READ(wrapped, flags.f);
}

static __always_inline unsigned long page_index(struct page *page)
{
	struct page___folio_index *renamed = (void *)page;

	if (bpf_core_field_exists(page->index))
		return BPF_CORE_READ(page, index);
	return BPF_CORE_READ(renamed, __folio_index);
}

/* The head of a page, which for a page that is no tail is the page itself.  A tail has the
 * address of its head + 1; from 7.1 it may have a mask + 1 instead.  Such a mask is larger than
 * every address of a struct page, because none is in the topmost 4 GiB. */
static __always_inline struct page *page_head(struct page *page)
{
	struct page___compound_info *masked = (void *)page;
	unsigned long info;

	if (bpf_core_field_exists(masked->compound_info))
		info = BPF_CORE_READ(masked, compound_info);
	else
		info = BPF_CORE_READ(page, compound_head);
	if (!(info & 1))
		return page;
	if (info > 0xffffffff00000000ul)
		return (struct page *)((unsigned long)page & info);
	return (struct page *)(info - 1);
}

static __always_inline bool flag_is_set(unsigned long flags, unsigned long bit)
{
	return flags & (1ul << bit);
}

#define PAGE_FLAG(flags, name) flag_is_set(flags, bpf_core_enum_value(enum pageflags, name))

/* Base pages of a folio.  A wrong order, of a page that is being freed, counts as 0. */
static __always_inline __u32 page_count_of(struct page *head)
{
	struct page *first_tail = (void *)head + bpf_core_type_size(struct page);
	struct folio___order *with_order = (void *)head;
	struct folio___flags_1 *with_flags = (void *)head;
	unsigned int order;

	if (!PAGE_FLAG(page_flags(head), PG_head))
		return 1;
	if (bpf_core_field_exists(with_order->_folio_order))
		order = BPF_CORE_READ(with_order, _folio_order);
	else if (bpf_core_field_exists(with_flags->_flags_1))
		order = BPF_CORE_READ(with_flags, _flags_1) & 0xff;
	else
		order = BPF_CORE_READ(first_tail, compound_order);
	return order < 20 ? 1u << order : 1;
}

static __always_inline bool in_swap_cache(unsigned long flags)
{
	return PAGE_FLAG(flags, PG_swapcache) && PAGE_FLAG(flags, PG_swapbacked);
}

/* A search for the memory area around an address, and its result. */
struct area_question {
	struct fs_page *page; /* gets the facts about the area */
	__u64 address;
	__u64 mapping; /* struct address_space that the area maps, 0 if none */
	struct file *file;
};

static __always_inline void describe_area(struct area_question *question,
					  struct vm_area_struct *area)
{
	struct fs_page *page = question->page;
	struct file *file = BPF_CORE_READ(area, vm_file);
	unsigned long flags = BPF_CORE_READ(area, vm_flags);
	struct inode *inode;

	page->facts |= FS_PAGE_VMA_KNOWN;
	if (BPF_CORE_READ(area, vm_ops))
		page->facts |= FS_PAGE_VMA_OPS;
	if (flags & VM_DRIVER_FLAGS)
		page->facts |= FS_PAGE_VMA_DRIVER;
	if (flags & VM_NO_PINS)
		page->facts |= FS_PAGE_VMA_NO_PINS;
	if (flags & VM_READ)
		page->facts |= FS_PAGE_VMA_READ;
	if (flags & VM_WRITE)
		page->facts |= FS_PAGE_VMA_WRITE;
	page->index = ((question->address - BPF_CORE_READ(area, vm_start)) >> page_shift) +
		      BPF_CORE_READ(area, vm_pgoff);
	if (!file)
		return;
	page->facts |= FS_PAGE_VMA_FILE;
	question->file = file;
	inode = BPF_CORE_READ(file, f_inode);
	page->inode = BPF_CORE_READ(inode, i_ino);
	page->dev = BPF_CORE_READ(inode, i_sb, s_dev);
	if (BPF_CORE_READ(inode, i_flags) & S_DAX)
		page->facts |= FS_PAGE_DAX;
	/* The pages of a block device belong to another inode, which has the size of the
	 * device.  f_inode is that of its file, such as /dev/sda, and the file system of that
	 * file does not matter.  So these facts are read through f_mapping. */
	question->mapping = (__u64)BPF_CORE_READ(file, f_mapping);
	page->fs_magic = BPF_CORE_READ(file, f_mapping, host, i_sb, s_magic);
	page->file_size = BPF_CORE_READ(file, f_mapping, host, i_size);
}

/* Callback of bpf_find_vma(), which runs under the lock of the area. */
static long describe_found_area(struct task_struct *task, struct vm_area_struct *area,
				void *context)
{
	describe_area(context, area);
	return 0;
}

/* arm64 ignores the top byte of a user address, which may be a tag.  Bit 55 distinguishes user
 * and kernel addresses. */
#if defined(__TARGET_ARCH_arm64)
#define WITHOUT_TAG(address)	   ((address) & ~(0xffull << 56))
#define IS_KERNEL_ADDRESS(address) ((address) >> 55 & 1)
#else
#define WITHOUT_TAG(address)	   (address)
#define IS_KERNEL_ADDRESS(address) ((address) >> 63)
#endif

/* lib/maple_tree.c: the low byte of a node's address holds its type. */
#define MAPLE_TYPE(node)    ((node) >> 3 & 0xf)
#define MAPLE_LEAF	    1
#define MAPLE_RANGE	    2
#define MAPLE_ARANGE	    3
#define MAPLE_RANGE_PIVOTS  15
#define MAPLE_ARANGE_PIVOTS 9
/* A tree of this height has room for more areas than a process can have. */
#define MAPLE_HEIGHT 8

/* The value of a slot that cannot be read.  No node and no area has this address. */
#define MAPLE_UNREADABLE 1

/* The value of the slot of a maple node that covers `address`: an area in a leaf, else a node.
 * The pivot of a slot is the last address that the slot covers; a pivot of 0 ends the list. */
static __noinline __u64 maple_slot(__u64 node, __u64 address, __u32 type)
{
	bool with_gaps = type == MAPLE_ARANGE;
	unsigned long *pivots = with_gaps ? ((struct maple_arange_64 *)node)->pivot
					  : ((struct maple_range_64 *)node)->pivot;
	void **slots = with_gaps ? ((struct maple_arange_64 *)node)->slot
				 : ((struct maple_range_64 *)node)->slot;
	__u64 count = with_gaps ? MAPLE_ARANGE_PIVOTS : MAPLE_RANGE_PIVOTS, value = 0, i;

	for (i = 0; i < MAPLE_RANGE_PIVOTS; i++) {
		if (i >= count)
			break;
		if (bpf_probe_read_kernel(&value, sizeof(value), pivots + i))
			return MAPLE_UNREADABLE;
		if (value >= address || (i && !value))
			break;
	}
	value = 0;
	if (bpf_probe_read_kernel(&value, sizeof(value), slots + i))
		return MAPLE_UNREADABLE;
	return value;
}

/* Whether an area belongs to this address space and contains the address. */
static __always_inline bool is_area_around(struct vm_area_struct *area, struct mm_struct *mm,
					   __u64 address)
{
	return BPF_CORE_READ(area, vm_mm) == mm && BPF_CORE_READ(area, vm_start) <= address &&
	       BPF_CORE_READ(area, vm_end) > address;
}

/* Finds the area without the lock of the address space, where bpf_find_vma() cannot help: it
 * gives up if another task has the lock, and on a real-time kernel with interrupts off it
 * cannot take it at all.  An area is returned only if it belongs to this address space and
 * contains the address.  `has_none` is set when the tree has no area there.  That is certain
 * only if two walks say so, because another task may change the tree during one. */
static __always_inline struct vm_area_struct *walk_areas(__u64 address, bool *has_none)
{
	struct task_struct *task = (void *)bpf_get_current_task();
	struct mm_struct *mm = BPF_CORE_READ(task, mm);
	struct vm_area_struct *area;
	__u64 entry;
	__u32 type = 0;

	if (!mm || !bpf_core_field_exists(mm->mm_mt))
		return NULL;
	entry = (__u64)BPF_CORE_READ(mm, mm_mt.ma_root);
	for (int height = 0; height < MAPLE_HEIGHT; height++) {
		type = MAPLE_TYPE(entry);
		if (type < MAPLE_LEAF || type > MAPLE_ARANGE)
			return NULL;
		entry = maple_slot(entry & ~0xffull, address, type);
		if (type == MAPLE_LEAF)
			break;
	}
	*has_none = type == MAPLE_LEAF && !entry;
	area = (void *)entry;
	return entry > MAPLE_UNREADABLE && is_area_around(area, mm, address) ? area : NULL;
}

/* Removes the facts that describe_area() has filled in; the page's index becomes `index`. */
static __always_inline void forget_area(struct fs_page *page, __u64 index)
{
	page->facts &=
		~(FS_PAGE_VMA_KNOWN | FS_PAGE_VMA_OPS | FS_PAGE_VMA_DRIVER | FS_PAGE_VMA_NO_PINS |
		  FS_PAGE_VMA_READ | FS_PAGE_VMA_WRITE | FS_PAGE_VMA_FILE | FS_PAGE_DAX);
	page->index = index;
	page->inode = 0;
	page->dev = 0;
	page->fs_magic = 0;
	page->file_size = 0;
	page->name_is_stale = false;
}

/* Describes the area that a walk finds; false when it finds none.  If that area changes while it
 * is read, its facts are removed again. */
static __always_inline bool describe_walked(struct area_question *question, bool *has_none)
{
	struct task_struct *task = (void *)bpf_get_current_task();
	struct mm_struct *mm = BPF_CORE_READ(task, mm);
	__u64 index = question->page->index;
	struct vm_area_struct *area = walk_areas(question->address, has_none);

	if (!area)
		return false;
	describe_area(question, area);
	if (is_area_around(area, mm, question->address))
		return true;
	forget_area(question->page, index);
	question->mapping = 0;
	question->file = NULL;
	return true;
}

/* Fills in the facts about the area at `address` of the current task, or FS_PAGE_NO_VMA.
 * `may_call` is false for kernels without bpf_find_vma(), and for programs that must not
 * contain a callback.  Returns the address space that the area maps; 0 if it maps none, or if
 * the area is not known. */
static __always_inline __u64 find_area(struct fs_page *out, __u64 address, bool may_call)
{
	struct area_question question = { .page = out, .address = WITHOUT_TAG(address) };
	bool has_none = false;

	address = question.address;
	if (may_call)
		has_none = bpf_find_vma(bpf_get_current_task_btf(), address, describe_found_area,
					&question, 0) == -ENOENT;
	if (!has_none && !(out->facts & FS_PAGE_VMA_KNOWN)) {
		bool again = false;

		if (!describe_walked(&question, &has_none) && has_none)
			has_none = !describe_walked(&question, &again) && again;
	}
	if (has_none)
		out->facts |= FS_PAGE_NO_VMA;
	if (question.file)
		out->name_is_stale =
			may_call ? name_file((__u64)question.file) : !is_named(question.file);
	return question.mapping;
}

/* Fills in the facts about `head`, which the current task met at `address`, and if `with_area`
 * those about the area there.  `with_area` is false for kernels without bpf_find_vma().
 * Returns the same as find_area(); 0 without an area. */
static __always_inline __u64 describe_page(struct fs_page *out, struct page *head,
					   unsigned long flags, __u64 address, bool with_area)
{
	out->page = (__u64)head;
	out->index = page_index(head);
	if (PAGE_FLAG(flags, PG_reserved))
		out->facts |= FS_PAGE_RESERVED;
	if (PAGE_FLAG(flags, PG_head))
		out->facts |= FS_PAGE_LARGE;
	if (in_swap_cache(flags))
		out->facts |= FS_PAGE_SWAPCACHE;
	if (!PAGE_FLAG(flags, PG_uptodate))
		out->facts |= FS_PAGE_NOT_UPTODATE;
	return with_area && address ? find_area(out, address, true) : 0;
}

/* include/linux/xarray.h: an entry whose two low bits are 2 is a node.  If it is less than 256, it
 * is the number of another slot of the same node, which has the head of a large folio.  An entry
 * with other low bits than 0 and 2 is no page. */
#define XA_INTERNAL 2ull
#define XA_SLOTS    64
/* 64 bits of index, six for each level. */
#define XA_HEIGHT 11

/* The folio at `index` of an address space; NULL when there is none in its cache. */
static __noinline struct page *cached_head(__u64 mapping, __u64 index)
{
	__u64 entry = (__u64)BPF_CORE_READ((struct address_space *)mapping, i_pages.xa_head);
	struct xa_node *node = NULL;
	__u64 slot, shift;

	for (int height = 0; height < XA_HEIGHT; height++) {
		if ((entry & 3) != XA_INTERNAL) {
			/* Without a node there is one page, the first. */
			if (!height && index)
				return NULL;
			break;
		}
		if (entry >= XA_SLOTS << 2) {
			node = (void *)(entry - XA_INTERNAL);
			shift = BPF_CORE_READ(node, shift) & 63;
			slot = index >> shift;
			if (!height && slot >= XA_SLOTS)
				return NULL;
		} else {
			slot = entry >> 2;
		}
		entry = 0;
		if (!node || bpf_probe_read_kernel(&entry, sizeof(entry),
						   &node->slots[slot & (XA_SLOTS - 1)]))
			return NULL;
	}
	return entry & 3 ? NULL : (struct page *)entry;
}

/* Whether the page at `index` of a file has a memory error (PG_hwpoison), so that the kernel
 * refuses it.  tmpfs keeps such a page in the cache, because a task would read zeros without
 * it (5.16, a76054266661). */
static __always_inline bool is_poisoned(__u64 mapping, __u64 index)
{
	struct page *head = cached_head(mapping, index);
	__u64 page = index & (head ? page_count_of(head) - 1 : 0);

	if (!head || !bpf_core_enum_value_exists(enum pageflags, PG_hwpoison))
		return false;
	return PAGE_FLAG(page_flags((void *)head + page * bpf_core_type_size(struct page)),
			 PG_hwpoison);
}

/* Whether no huge page of this size is free, apart from those that are reserved. */
static __always_inline bool lacks_huge_page(__u64 mapping)
{
	struct super_block *sb = BPF_CORE_READ((struct address_space *)mapping, host, i_sb);
	struct hugetlbfs_sb_info *info = BPF_CORE_READ(sb, s_fs_info);
	struct hstate *state = BPF_CORE_READ(info, hstate);

	return state &&
	       BPF_CORE_READ(state, free_huge_pages) <= BPF_CORE_READ(state, resv_huge_pages);
}

/* Fills in the facts that explain why no page could be pinned at `address`. */
static __always_inline void describe_failure(struct fs_page *out, __u64 address, bool may_call)
{
	__u64 mapping = find_area(out, address, may_call);

	out->facts |= FS_PAGE_FAILURE;
	if (!mapping)
		return;
	if (out->fs_magic == HUGETLBFS_MAGIC) {
		if (lacks_huge_page(mapping))
			out->facts |= FS_PAGE_NO_HUGE_PAGE;
	} else if (is_poisoned(mapping, out->index)) {
		out->facts |= FS_PAGE_POISONED;
	}
}

#endif
