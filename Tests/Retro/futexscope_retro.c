// SPDX-License-Identifier: GPL-2.0-only
/*
 * The rule `retry` of 2.6.28 to 3.0 on a running kernel: a livepatch whose
 * get_futex_key() looks again, without end, for as long as the page has no mapping.
 * Everything else is as in the kernel that it patches, so that futexes which never
 * meet such a page keep working, whichever of the two functions made their keys. It
 * exists to show what the rule did and is loaded in test guests only. Like its model
 * the loop does not yield; unlike it, a fatal signal ends it, so that a guest can go
 * on.
 */
#define FIRST_SEQUENCE (1LL << 62)
#include "futexscope_key.h"

static int retro_get_futex_key(u32 __user *uaddr, kind_t kind, union futex_key *key,
			       enum futex_access access)
{
	unsigned long address = (unsigned long)uaddr;
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
	lock_page(head);
	if (!head->mapping) {
		unlock_page(head);
		put_page(page);
		if (fatal_signal_pending(current))
			return -EINTR;
		goto again;
	}

	err = 0;
	if (PageAnon(head)) {
		err = anonymous_key(address, read_only, key);
	} else {
		/* The lock keeps the page in its file. */
		key->both.offset |= FUT_OFF_INODE;
		key->shared.i_seq = inode_sequence(head->mapping->host);
		key->shared.pgoff = offset_in_file(page, head);
	}
	unlock_page(head);
	put_page(page);
	return err;
}

FUTEX_LIVEPATCH(retro_get_futex_key, "retry");
MODULE_DESCRIPTION("futexscope test: get_futex_key() as it was from 2.6.28 to 3.0");
