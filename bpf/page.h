/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The page: its head, its flags, its file, and the memory area through which a victim sees
 * it.  Only facts are collected; Swift code decides what they mean.  All reads may meet a
 * page that is being freed: they use bpf_probe_read_kernel, and can at worst be wrong about
 * a page that nobody holds.
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

/* The info of a tail is its head + 1; from 7.1 it may be a mask + 1 instead, which is in the
 * topmost 4 GiB, where there is no struct page. */
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

/* The memory area through which the victim sees the page. */
struct area_question {
	struct fs_page *page;
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
	/* A block device has a page cache of its own, behind another inode, which has the
	 * size of the device.  The file that leads to it is on a file system for device
	 * files, which does not matter here. */
	question->mapping = (__u64)BPF_CORE_READ(file, f_mapping);
	page->fs_magic = BPF_CORE_READ(file, f_mapping, host, i_sb, s_magic);
	page->file_size = BPF_CORE_READ(file, f_mapping, host, i_size);
}

/* bpf_find_vma() callback: runs under the area's lock. */
static long describe_found_area(struct task_struct *task, struct vm_area_struct *area,
				void *context)
{
	describe_area(context, area);
	return 0;
}

/* arm64 ignores the top byte of a user's address, where a tag may be; bit 55 distinguishes
 * the halves. */
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

/* Stands for a slot that cannot be read: no node and no area. */
#define MAPLE_UNREADABLE 1

/* The slot of a maple node that covers `address`.  A slot's pivot is the last address that it
 * covers; 0 is the end of those in use. */
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

static __always_inline bool is_area_around(struct vm_area_struct *area, struct mm_struct *mm,
					   __u64 address)
{
	return BPF_CORE_READ(area, vm_mm) == mm && BPF_CORE_READ(area, vm_start) <= address &&
	       BPF_CORE_READ(area, vm_end) > address;
}

/* Finds the area without the lock on the address space: bpf_find_vma() does not wait for
 * that lock, and with interrupts off it cannot take it on a real-time kernel.  The area that
 * is found is used only if it belongs to this address space and contains the address.  That
 * there is no area is known only after two walks, because another task may change the tree. */
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

/* Undoes describe_area(). */
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

/* Describes the area that a walk finds.  If it becomes another area meanwhile, nothing is
 * known. */
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

/* Fills in the area at `address` of the current task, or that there is none.  `may_call` is
 * false for kernels without bpf_find_vma(), and where a program must contain no callback.
 * Returns the address space that the area maps, 0 when there is none or it is not known. */
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

/* Fills in the facts about `head`, which the current task met at `address`. `with_area` is
 * false for kernels without bpf_find_vma().  Returns the address space that the area maps, 0
 * when there is none or it is not known. */
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

/* include/linux/xarray.h: an entry with these low bits is a node, or below 256 the number of the
 * slot in which the head of a large folio is; with another low bit set it is no page. */
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

/* Whether the file's cache has a page there that the kernel no longer uses because of a
 * memory error; tmpfs keeps such a page so that nobody reads zeros instead (5.16,
 * a76054266661). */
static __always_inline bool is_poisoned(__u64 mapping, __u64 index)
{
	struct page *head = cached_head(mapping, index);
	__u64 page = index & (head ? page_count_of(head) - 1 : 0);

	if (!head || !bpf_core_enum_value_exists(enum pageflags, PG_hwpoison))
		return false;
	return PAGE_FLAG(page_flags((void *)head + page * bpf_core_type_size(struct page)),
			 PG_hwpoison);
}

/* Whether hugetlbfs has no free huge page. */
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
