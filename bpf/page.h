/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What a page is: its head, its flags, its file, and the memory area through
 * which a victim sees it.  Only facts are collected; what they mean is decided
 * in Swift.  All reads may meet a page that is just being freed: they go
 * through bpf_probe_read_kernel and can at worst be wrong about a page that
 * nobody holds.
 */
#ifndef FUTEXSCOPE_PAGE_H
#define FUTEXSCOPE_PAGE_H

#include "maps.h"

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

/* A tail's info is its head + 1; from 7.1 it may be a mask + 1 instead, which
 * stands in the topmost 4 GiB where no struct page lies. */
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
};

static __always_inline void describe_area(struct area_question *question,
					  struct vm_area_struct *area)
{
	struct fs_page *page = question->page;
	struct file *file = BPF_CORE_READ(area, vm_file);
	struct inode *inode;

	page->facts |= FS_PAGE_VMA_KNOWN;
	if (BPF_CORE_READ(area, vm_ops))
		page->facts |= FS_PAGE_VMA_OPS;
	if (BPF_CORE_READ(area, vm_flags) & VM_DRIVER_FLAGS)
		page->facts |= FS_PAGE_VMA_DRIVER;
	page->index = ((question->address - BPF_CORE_READ(area, vm_start)) >> page_shift) +
		      BPF_CORE_READ(area, vm_pgoff);
	if (!file)
		return;
	page->facts |= FS_PAGE_VMA_FILE;
	inode = BPF_CORE_READ(file, f_inode);
	page->inode = BPF_CORE_READ(inode, i_ino);
	page->dev = BPF_CORE_READ(inode, i_sb, s_dev);
	page->fs_magic = BPF_CORE_READ(inode, i_sb, s_magic);
	page->file_size = BPF_CORE_READ(inode, i_size);
	if (BPF_CORE_READ(inode, i_flags) & S_DAX)
		page->facts |= FS_PAGE_DAX;
	/* A block device has a page cache of its own, behind another inode. */
	question->mapping = (__u64)BPF_CORE_READ(file, f_mapping);
}

/* bpf_find_vma() callback: runs under the area's lock. */
static long describe_found_area(struct task_struct *task, struct vm_area_struct *area,
				void *context)
{
	describe_area(context, area);
	return 0;
}

/* arm64 ignores the top byte of a user's address, where a tag may stand; bit 55 tells the halves apart. */
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
/* A tree of this height has room for more areas than a process may have. */
#define MAPLE_HEIGHT 8

/* The slot of a maple node that covers `address`; 0 if it cannot be read.  A slot's
 * pivot is the last address that it covers; 0 is the end of those in use. */
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
			return 0;
		if (value >= address || (i && !value))
			break;
	}
	value = 0;
	bpf_probe_read_kernel(&value, sizeof(value), slots + i);
	return value;
}

/* Finds the area without the lock on the address space: bpf_find_vma() does not wait for
 * that lock, and with interrupts off a real-time kernel does not let it have it.  What
 * is found is used only if it is an area of this address space around the address. */
static __always_inline struct vm_area_struct *walk_areas(__u64 address)
{
	struct mm_struct *mm = BPF_CORE_READ(bpf_get_current_task_btf(), mm);
	struct vm_area_struct *area;
	__u64 entry;
	__u32 type;

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
	area = (void *)entry;
	if (!area || BPF_CORE_READ(area, vm_mm) != mm || BPF_CORE_READ(area, vm_start) > address ||
	    BPF_CORE_READ(area, vm_end) <= address)
		return NULL;
	return area;
}

/* Fills what can be said of `head` where `address` of the current task met it.
 * `with_area` is false for kernels without bpf_find_vma().  Returns the address space that
 * the area maps, 0 when there is none or it is not known. */
static __always_inline __u64 describe_page(struct fs_page *out, struct page *head,
					   unsigned long flags, __u64 address, bool with_area)
{
	struct area_question question = { .page = out, .address = WITHOUT_TAG(address) };
	struct vm_area_struct *area;

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
	if (!with_area || !address)
		return 0;
	address = question.address;
	bpf_find_vma(bpf_get_current_task_btf(), address, describe_found_area, &question, 0);
	if (!(out->facts & FS_PAGE_VMA_KNOWN)) {
		area = walk_areas(address);
		if (area)
			describe_area(&question, area);
	}
	return question.mapping;
}

#endif
