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

/* The inode whose page cache an area maps: a block device has one of its own. */
struct cached_file {
	__u64 inode;
	__u32 dev;
};

struct area_question {
	struct fs_page *page;
	__u64 address;
	struct cached_file cached;
};

/* bpf_find_vma() callback: runs under the area's lock. */
static long describe_area(struct task_struct *task, struct vm_area_struct *area, void *context)
{
	struct area_question *question = context;
	struct fs_page *page = question->page;
	struct file *file = BPF_CORE_READ(area, vm_file);
	struct inode *inode;

	page->facts |= FS_PAGE_VMA_KNOWN;
	if (BPF_CORE_READ(area, vm_ops))
		page->facts |= FS_PAGE_VMA_OPS;
	if (BPF_CORE_READ(area, vm_flags) & VM_DRIVER_FLAGS)
		page->facts |= FS_PAGE_VMA_DRIVER;
	page->index = ((question->address - BPF_CORE_READ(area, vm_start)) >> PAGE_SHIFT) +
		      BPF_CORE_READ(area, vm_pgoff);
	if (!file)
		return 0;
	page->facts |= FS_PAGE_VMA_FILE;
	inode = BPF_CORE_READ(file, f_inode);
	page->inode = BPF_CORE_READ(inode, i_ino);
	page->dev = BPF_CORE_READ(inode, i_sb, s_dev);
	page->fs_magic = BPF_CORE_READ(inode, i_sb, s_magic);
	page->mode = BPF_CORE_READ(inode, i_mode);
	page->file_size = BPF_CORE_READ(inode, i_size);
	if (BPF_CORE_READ(inode, i_flags) & S_DAX)
		page->facts |= FS_PAGE_DAX;
	inode = BPF_CORE_READ(file, f_mapping, host);
	question->cached.inode = BPF_CORE_READ(inode, i_ino);
	question->cached.dev = BPF_CORE_READ(inode, i_sb, s_dev);
	return 0;
}

/* Fills what can be said of `head` where `address` of the current task met it.
 * `with_area` is false for kernels without bpf_find_vma(); `cached` may be NULL. */
static __always_inline void describe_page(struct fs_page *out, struct page *head,
					  unsigned long flags, __u64 address, bool with_area,
					  struct cached_file *cached)
{
	struct area_question question = { .page = out, .address = address };

	out->page = (__u64)head;
	out->index = page_index(head);
	if (PAGE_FLAG(flags, PG_reserved))
		out->facts |= FS_PAGE_RESERVED;
	if (PAGE_FLAG(flags, PG_head))
		out->facts |= FS_PAGE_LARGE;
	if (in_swap_cache(flags))
		out->facts |= FS_PAGE_SWAPCACHE;
	if (with_area)
		bpf_find_vma(bpf_get_current_task_btf(), address, describe_area, &question, 0);
	if (cached)
		*cached = question.cached;
}

#endif
