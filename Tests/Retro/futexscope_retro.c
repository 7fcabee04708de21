// SPDX-License-Identifier: GPL-2.0-only
/*
 * The rule of 2.6.28 to 3.2 on a running kernel: a livepatch whose get_futex_key()
 * looks again, without end, for as long as the page has no mapping. Everything else
 * is as in the kernel that it patches, so that futexes which never meet such a page
 * keep working, whichever of the two functions made their keys. It exists to show
 * what the rule did and is loaded in test guests only. Like its model the loop does
 * not yield; unlike it, a fatal signal ends it, so that a guest can go on.
 *
 * Private declarations of kernel/futex are not among a kernel's headers; what is
 * needed of them is restated here and belongs to 6.1 and 6.12.
 */
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
 * An inode keeps the number it got for its first futex, so keys made by either
 * function for one inode agree. Numbers of this counter begin far from those that
 * the kernel's own counter gives out, so keys of two inodes never do.
 */
static atomic64_t next_sequence = ATOMIC64_INIT(1LL << 62);

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

static int retro_get_futex_key(u32 __user *uaddr, kind_t kind, union futex_key *key,
			       enum futex_access access)
{
	unsigned long address = (unsigned long)uaddr;
	struct page *page, *head;
	bool read_only = false;
	int err;

	key->both.offset = address % PAGE_SIZE;
	if (address % SIZE(kind))
		return -EINVAL;
	address -= key->both.offset;
	if (!access_ok(uaddr, SIZE(kind)))
		return -EFAULT;

	if (!SHARED(kind)) {
		key->private.mm = current->mm;
		key->private.address = address;
		return 0;
	}

again:
	err = get_user_pages_fast(address, 1, FOLL_WRITE, &page);
	if (err == -EFAULT && access == FUTEX_READ) {
		err = get_user_pages_fast(address, 1, 0, &page);
		read_only = true;
	}
	if (err < 0)
		return err;

	head = compound_head(page);
	lock_page(head);
	if (!head->mapping) {
		unlock_page(head);
		put_page(page);
		if (fatal_signal_pending(current))
			return -EINTR;
		goto again;
	}

	err = 0;
	if (!PageAnon(head)) {
		/* The lock keeps the page in its file. */
		key->both.offset |= FUT_OFF_INODE;
		key->shared.i_seq = inode_sequence(head->mapping->host);
		key->shared.pgoff = offset_in_file(page, head);
	} else if (read_only) {
		err = -EFAULT;
	} else {
		key->both.offset |= FUT_OFF_MMSHARED;
		key->private.mm = current->mm;
		key->private.address = address;
	}
	unlock_page(head);
	put_page(page);
	return err;
}

static struct klp_func functions[] = {
	{ .old_name = "get_futex_key", .new_func = retro_get_futex_key }, {}
};

static struct klp_object objects[] = { { .funcs = functions }, /* no name: the kernel itself */
				       {} };

static struct klp_patch patch = { .mod = THIS_MODULE, .objs = objects };

static int __init retro_init(void)
{
	return klp_enable_patch(&patch);
}

/* A livepatch is switched off through sysfs before it can be removed. */
static void __exit retro_exit(void)
{
}

module_init(retro_init);
module_exit(retro_exit);
MODULE_LICENSE("GPL");
MODULE_DESCRIPTION("futexscope test: get_futex_key() as it was from 2.6.28 to 3.2");
MODULE_INFO(livepatch, "Y");
