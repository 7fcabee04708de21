/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What the livepatches of get_futex_key() in this folder have in common: the types
 * of its arguments on 6.1 and 6.12, numbers of inodes, offsets in files, and how
 * such a livepatch is loaded. Private declarations of kernel/futex are not among a
 * kernel's headers; what is needed of them is restated here.
 */
#ifndef FUTEXSCOPE_KEY_H
#define FUTEXSCOPE_KEY_H

#include <linux/atomic.h>
#include <linux/fs.h>
#include <linux/futex.h>
#include <linux/hugetlb.h>
#include <linux/livepatch.h>
#include <linux/mm.h>
#include <linux/module.h>
#include <linux/pagemap.h>
#include <linux/sched/signal.h>
#include <linux/uaccess.h>
#include <linux/version.h>

enum futex_access { FUTEX_READ, FUTEX_WRITE };

/* 6.7 replaced "bool fshared" by flags; the low bits are the size's logarithm. */
#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 7, 0)
typedef unsigned int kind_t;
#define SHARED(flags) ((flags)&0x10)
#define SIZE(flags)   (1u << ((flags)&0x3))
#else
typedef bool kind_t;
#define SHARED(fshared) (fshared)
#define SIZE(fshared)	((unsigned int)sizeof(u32))
#endif

/*
 * An inode keeps the number it got for its first futex, so keys made by the
 * kernel's function and by a livepatch for one inode agree. Numbers of this
 * counter begin far from those that the kernel's own counter gives out, and those
 * of two livepatches far from each other, so keys of two inodes never do.
 */
static atomic64_t next_sequence = ATOMIC64_INIT(FIRST_SEQUENCE);

static u64 inode_sequence(struct inode *inode)
{
	u64 fresh, old = atomic64_read(&inode->i_sequence);

	if (old)
		return old;
	fresh = atomic64_inc_return(&next_sequence);
	old = atomic64_cmpxchg(&inode->i_sequence, 0, fresh);
	return old ? old : fresh;
}

/* hugetlbfs counted in its own pages before 6.7; keys count in small pages. */
static pgoff_t offset_in_file(struct page *page, struct page *head)
{
	pgoff_t first = head->index;

	if (LINUX_VERSION_CODE < KERNEL_VERSION(6, 7, 0) && PageHuge(head))
		first <<= compound_order(head);
	return first + (page - head);
}

/*
 * The part before the page is looked at. Returns 1 if the key is made of a page,
 * 0 if it is finished, or a negative errno.
 */
static int begin_key(u32 __user *uaddr, kind_t kind, union futex_key *key)
{
	unsigned long address = (unsigned long)uaddr;

	key->both.offset = address % PAGE_SIZE;
	if (address % SIZE(kind))
		return -EINVAL;
	if (!access_ok(uaddr, SIZE(kind)))
		return -EFAULT;
	if (SHARED(kind))
		return 1;
	key->private.mm = current->mm;
	key->private.address = address - key->both.offset;
	return 0;
}

/* Pins the page for writing, or for reading where that is all that is allowed and
 * wanted. Returns a negative errno if there is no page to be had. */
static int pin_page(unsigned long address, enum futex_access access, struct page **page,
		    bool *read_only)
{
	int err = get_user_pages_fast(address & PAGE_MASK, 1, FOLL_WRITE, page);

	if (err == -EFAULT && access == FUTEX_READ) {
		err = get_user_pages_fast(address & PAGE_MASK, 1, 0, page);
		*read_only = true;
	}
	return err;
}

/* The key of an anonymous page is the address in its process. */
static int anonymous_key(unsigned long address, bool read_only, union futex_key *key)
{
	if (read_only)
		return -EFAULT;
	key->both.offset |= FUT_OFF_MMSHARED;
	key->private.mm = current->mm;
	key->private.address = address & PAGE_MASK;
	return 0;
}

/*
 * Which rule the running kernel has, for whoever asks: a tool cannot see it in the
 * instructions. Readable as /sys/module/NAME/parameters/futex_rule.
 */
#define FUTEX_LIVEPATCH(function, rule) \
	static char *futex_rule = rule; \
	module_param(futex_rule, charp, 0444); \
	MODULE_PARM_DESC(futex_rule, "the rule of this get_futex_key(); read only"); \
\
	static struct klp_func functions[] = { \
		{ .old_name = "get_futex_key", .new_func = function }, {} \
	}; \
	static struct klp_object objects[] = { \
		{ .funcs = functions }, /* no name: the kernel itself */ \
		{} \
	}; \
	static struct klp_patch patch = { .mod = THIS_MODULE, .objs = objects }; \
\
	static int __init livepatch_init(void) \
	{ \
		return klp_enable_patch(&patch); \
	} \
\
	/* A livepatch is switched off through sysfs before it can be removed. */ \
	static void __exit livepatch_exit(void) \
	{ \
	} \
\
	module_init(livepatch_init); \
	module_exit(livepatch_exit); \
	MODULE_LICENSE("GPL"); \
	MODULE_INFO(livepatch, "Y")

#endif
