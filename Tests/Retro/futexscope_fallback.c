// SPDX-License-Identifier: GPL-2.0-only
/*
 * The rule `fallback` on a running kernel: a livepatch whose get_futex_key() makes
 * the key from the memory area where the page has no mapping any more. The area
 * names the file, and with it the inode and the offset, which are what the page
 * named while it had a mapping. Where the area maps no file the result is -EFAULT,
 * as it is today. It exists to show that the rule works and is loaded in test
 * guests only; docs/proposal.md has the argument.
 */
#define FIRST_SEQUENCE (1LL << 61)
#include "futexscope_key.h"

/* Keys that were made from the area, so that a test knows that some were. */
static ulong area_keys;
module_param(area_keys, ulong, 0444);
MODULE_PARM_DESC(area_keys,
		 "keys made from the memory area since the module was loaded; read only");

/* With slub_debug=FZP a number read from an inode that was freed is this one. */
#define FREED_NUMBER 0x6b6b6b6b6b6b6b6bull

static ulong freed_inodes;
module_param(freed_inodes, ulong, 0444);
MODULE_PARM_DESC(freed_inodes, "numbers read from freed inodes, with slub_debug=FZP; read only");

/*
 * Whether the pages of an area are those of its file's page cache, or of a DAX
 * file. Pages that a driver inserted are not the file's: BPF maps, for instance,
 * all have one and the same anonymous inode.
 */
static bool maps_pages_of_file(struct vm_area_struct *area)
{
	if (!area->vm_file || vma_is_anonymous(area))
		return false;
	return !(area->vm_flags & (VM_IO | VM_PFNMAP | VM_MIXEDMAP)) ||
	       IS_DAX(file_inode(area->vm_file));
}

/*
 * The area holds a reference to its file, and the file one to the inode behind its
 * page cache, for as long as mmap_lock is held. The key keeps the inode's number,
 * which is never given out again, and no pointer.
 */
static int key_from_area(unsigned long address, union futex_key *key)
{
	struct vm_area_struct *area;
	int err = -EFAULT;

	mmap_read_lock(current->mm);
	area = find_vma(current->mm, address);
	if (area && area->vm_start <= address && maps_pages_of_file(area)) {
		key->both.offset |= FUT_OFF_INODE;
		key->shared.i_seq = inode_sequence(area->vm_file->f_mapping->host);
		key->shared.pgoff = ((address - area->vm_start) >> PAGE_SHIFT) + area->vm_pgoff;
		WRITE_ONCE(area_keys, area_keys + 1);
		if (key->shared.i_seq == FREED_NUMBER)
			WRITE_ONCE(freed_inodes, freed_inodes + 1);
		err = 0;
	}
	mmap_read_unlock(current->mm);
	return err;
}

/* As the kernel does it: the mapping may go at any moment, its inode with it, but
 * neither is freed before the grace period ends. False: look again. */
static bool key_from_mapping(struct page *page, struct page *head, struct address_space *mapping,
			     union futex_key *key)
{
	struct inode *inode = NULL;

	rcu_read_lock();
	if (READ_ONCE(head->mapping) == mapping)
		inode = READ_ONCE(mapping->host);
	if (inode) {
		key->both.offset |= FUT_OFF_INODE;
		key->shared.i_seq = inode_sequence(inode);
		key->shared.pgoff = offset_in_file(page, head);
	}
	rcu_read_unlock();
	return inode;
}

static int fallback_get_futex_key(u32 __user *uaddr, kind_t kind, union futex_key *key,
				  enum futex_access access)
{
	unsigned long address = (unsigned long)uaddr;
	struct address_space *mapping;
	struct page *page, *head;
	bool read_only = false;
	int err = begin_key(uaddr, kind, key);

	if (err <= 0)
		return err;

again:
	err = pin_page(address, access, &page, &read_only);
	if (err < 0)
		return err;

	head = compound_head(page);
	mapping = READ_ONCE(head->mapping);
	if (!mapping) {
		bool has_come_back, is_zero = is_zero_pfn(page_to_pfn(page));

		lock_page(head);
		has_come_back = head->mapping || folio_test_swapcache(page_folio(page));
		unlock_page(head);
		put_page(page);
		if (has_come_back)
			goto again;
		/* The zero page stands for memory that nobody has written, in
		 * whatever area it is. */
		return is_zero ? -EFAULT : key_from_area(address, key);
	}

	if (PageAnon(head))
		err = anonymous_key(address, read_only, key);
	else
		err = key_from_mapping(page, head, mapping, key) ? 0 : -EAGAIN;
	put_page(page);
	if (err == -EAGAIN)
		goto again;
	return err;
}

FUTEX_LIVEPATCH(fallback_get_futex_key, "fallback");
MODULE_DESCRIPTION("futexscope test: get_futex_key() with a key from the memory area");
