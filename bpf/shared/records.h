/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The only contract between the BPF programs and Swift: the records of the ring buffer, the
 * contents of the counter maps, and the numbers that both sides use for operations, reasons
 * of retries, facts and answers of the detach table.  Every record starts with the same
 * 16-byte header; sizes are asserted here for C and compared with Swift's MemoryLayout by a
 * unit test.  Fields have fixed width, padding is explicit, times are CLOCK_MONOTONIC
 * nanoseconds, sizes are bytes, indexes are base pages.
 */
#ifndef FUTEXSCOPE_RECORDS_H
#define FUTEXSCOPE_RECORDS_H

#ifndef __VMLINUX_H__
#include <linux/types.h>
#endif

#define FS_COMM_LEN    16
#define FS_STACK_DEPTH 24

enum fs_record_kind {
	FS_LOOKUP = 1,	 /* a lookup that returned */
	FS_PROGRESS = 2, /* a lookup that has not returned yet */
	FS_DETACH = 3,	 /* a detach that an observation met */
	FS_ACTIVITY = 4, /* start or end of an operation */
	FS_NAME = 5,	 /* the path of a file that an observation met */
	FS_RECORD_KINDS
};

struct fs_header {
	__u64 time;	/* when it happened */
	__u16 kind;	/* enum fs_record_kind */
	__u16 size;	/* of the whole record */
	__u32 in_spare; /* it goes through the spare ring */
};

/* One number for each function that is hooked.  They name operations in
 * progress, and are the cookies of the functions that share a kprobe.multi. */
enum fs_hook {
	FS_HOOK_LOOKUP = 1,
	FS_HOOK_PIN,
	FS_HOOK_UNLOCK,
	FS_HOOK_LOCK_WAIT,
	FS_HOOK_SWAP_OUT,
	FS_HOOK_MIGRATED_PAGE,
	FS_HOOK_DROP_CACHES,
	FS_HOOK_INVALIDATE2,
	FS_HOOK_FADVISE,
	FS_HOOK_RECLAIM_DIRECT,
	FS_HOOK_RECLAIM_MEMCG,
	FS_HOOK_RECLAIM_KSWAPD,
	FS_HOOK_RECLAIM_LIST,
	FS_HOOK_TRUNCATE,
	FS_HOOK_TRUNCATE_SHMEM,
	FS_HOOK_TRUNCATE_HUGETLB,
	FS_HOOK_FALLOCATE,
	FS_HOOK_BLOCK_DEVICE,
	FS_HOOK_MIGRATE,
	FS_HOOK_COLLAPSE,
	FS_HOOK_SPLIT,
	FS_HOOK_MEMORY_FAILURE,
	FS_HOOKS
};

/* Operations that detach pages.  The order is shared with Swift's ActivityKind. */
enum fs_activity_kind {
	FS_ACT_NONE = 0,
	FS_ACT_DIRECT_IO_INVALIDATION,
	FS_ACT_DROP_CACHES,
	FS_ACT_FADVISE,
	FS_ACT_RECLAIM,
	FS_ACT_TRUNCATE,
	FS_ACT_HOLE_PUNCH,
	FS_ACT_FALLOCATE_OTHER, /* zero, collapse and insert range */
	FS_ACT_BLOCK_ZERO_OUT,
	FS_ACT_SWAP_OUT,
	FS_ACT_MIGRATION,
	FS_ACT_COLLAPSE,
	FS_ACT_SPLIT,
	FS_ACT_MEMORY_FAILURE,
	FS_ACT_KINDS
};

/* What removed the mapping, by the hook that saw it. */
enum fs_detach_via {
	FS_VIA_PAGE_CACHE = 1, /* mm_filemap_delete_from_page_cache, or the function after it */
	FS_VIA_SWAP_OUT = 2,
	FS_VIA_MIGRATION = 3,
};

/* Why a lookup retried. */
enum fs_retry_reason {
	FS_RETRY_SWIZZLED = 0,	  /* in swap cache, or mapped again under the lock */
	FS_RETRY_MAPPING_CHANGED, /* mapping was another one under RCU */
	FS_RETRY_NO_HOST,	  /* mapping->host was NULL */
	FS_RETRY_NO_MAPPING,	  /* the rule of 2.6.28 to 3.0: no mapping, again */
	FS_RETRY_REASONS
};

/* Which operation on futexes asked for the lookup.  The order is shared with Swift's
 * FutexOperation. */
enum fs_operation {
	FS_OP_NONE = 0, /* not known */
	FS_OP_WAIT,
	FS_OP_WAKE,
	FS_OP_REQUEUE,
	FS_OP_CMP_REQUEUE,
	FS_OP_WAKE_OP,
	FS_OP_LOCK_PI,
	FS_OP_UNLOCK_PI,
	FS_OP_TRYLOCK_PI,
	FS_OP_WAIT_REQUEUE_PI,
	FS_OP_CMP_REQUEUE_PI,
	FS_OP_WAITV,
	FS_OP_EXIT_ROBUST, /* the kernel unlocks what a thread held that ended */
	FS_OP_EXIT_THREAD, /* the kernel wakes who waits for the end of a thread */
	FS_OP_IO_URING,
};

/* The answer of the detach table about an unmapped page. */
enum fs_slot_answer {
	FS_SLOT_NOT_ASKED = 0,
	FS_SLOT_FOUND = 1,
	FS_SLOT_EMPTY = 2,	/* no held detach of this page was stored */
	FS_SLOT_OTHER_PAGE = 3, /* overwritten by another page's detach */
	FS_SLOT_STALE = 4,	/* of another file or index: an earlier use of the page */
	FS_SLOT_TORN = 5,	/* being written, or two writers met */
};

/* fs_page.facts */
#define FS_PAGE_RESERVED    (1u << 0) /* PG_reserved */
#define FS_PAGE_SWAPCACHE   (1u << 1) /* PG_swapcache and PG_swapbacked, under the lock */
#define FS_PAGE_LARGE	    (1u << 2) /* head of a compound page */
#define FS_PAGE_NULL_AT_PIN (1u << 3) /* no mapping already when the pin returned */
#define FS_PAGE_VMA_KNOWN   (1u << 4) /* the vma_ fields were read */
#define FS_PAGE_VMA_FILE    (1u << 5) /* the area maps a file */
#define FS_PAGE_VMA_OPS	    (1u << 6) /* the area has vm_operations */
#define FS_PAGE_VMA_DRIVER  (1u << 7) /* VM_IO, VM_PFNMAP or VM_MIXEDMAP */
#define FS_PAGE_DAX	    (1u << 8) /* the inode is S_DAX */
/* Bit 9 is the host's: the zero page, recognised by its number. */
#define FS_PAGE_NOT_UPTODATE (1u << 10) /* no PG_uptodate, which every mapped page of a file has */
/* Read for a failure without an observation, beside the vma_ fields. */
#define FS_PAGE_NO_VMA	     (1u << 11) /* no area is at the address */
#define FS_PAGE_VMA_READ     (1u << 12) /* VM_READ */
#define FS_PAGE_VMA_WRITE    (1u << 13) /* VM_WRITE */
#define FS_PAGE_VMA_NO_PINS  (1u << 14) /* VM_IO or VM_PFNMAP */
#define FS_PAGE_POISONED     (1u << 15) /* the page in the file's cache has PG_hwpoison */
#define FS_PAGE_NO_HUGE_PAGE (1u << 16) /* hugetlbfs had no huge page that is not reserved */
#define FS_PAGE_FAILURE	     (1u << 17) /* these were asked for: bits that are not set say no */

/* The page of an observation, and the file behind the victim's address. */
struct fs_page {
	__u64 page;  /* struct page of the head: a kernel address */
	__u64 inode; /* of the file that the area maps, 0 if none */
	__u64 index; /* of the futex's own base page in that file */
	__u64 file_size;
	__u32 dev;	/* kernel's internal dev_t: major << 20 | minor */
	__u32 fs_magic; /* super_block.s_magic */
	__u32 facts;	/* FS_PAGE_ */
	__u8 slot;	/* enum fs_slot_answer */
	__u8 in_spare;	/* the detach went through the spare ring, and the lookup follows it */
	/* The name of this file was not sent, and the last one for its device and inode, if
	 * any, may be that of an earlier file. */
	__u8 name_is_stale;
	__u8 pad;
	__u64 detach_time; /* names the detach record, 0 without one */
};

/* fs_lookup.flags */
#define FS_LOOKUP_WRITE		   (1u << 0) /* FUTEX_WRITE access was asked for */
#define FS_LOOKUP_READ_ONLY	   (1u << 1) /* the last pin fell back to read-only */
#define FS_LOOKUP_PIN_FAILED	   (1u << 2) /* the last pin returned an error */
#define FS_LOOKUP_RETURNED	   (1u << 3) /* result is valid */
#define FS_LOOKUP_TIMED		   (1u << 4) /* entry was seen: start and passes are valid */
#define FS_LOOKUP_FAILED_UNMAPPED  (1u << 5) /* because the last pass had no mapping */
#define FS_LOOKUP_FAILED_READ_ONLY (1u << 6) /* because the page is anonymous and read-only */

struct fs_lookup {
	struct fs_header h;
	__u64 start;
	__u64 uaddr;
	__u64 cgroup;
	__u64 passes;
	__u64 observations;
	__u64 retries[FS_RETRY_REASONS];
	__u32 pid; /* thread group */
	__u32 tid;
	__u32 uid;
	__s32 result;
	__u32 flags; /* FS_LOOKUP_ */
	__u32 lock_waits;
	char comm[FS_COMM_LEN];
	struct fs_page page; /* of the last observation, changed mapping or failure */
	__u8 operation;	     /* enum fs_operation */
	__u8 pad[7];
};

struct fs_detach {
	struct fs_header h;
	__u64 page;
	__u64 inode;
	__u64 index;	 /* of the head */
	__u64 file_size; /* i_size at that moment */
	__u64 cgroup;
	__u64 range_start; /* bytes, of the hole or cut, when range_known */
	__u64 range_end;   /* one past the last byte */
	__u32 dev;
	__u32 fs_magic;
	__u32 pages;
	__s32 refcount;
	__u32 pid;
	__u32 tid;
	char comm[FS_COMM_LEN];
	__u8 via;   /* enum fs_detach_via */
	__u8 scope; /* enum fs_activity_kind in progress on the culprit, 0 none */
	__u8 range_known;
	__u8 stack_depth;
	__u32 pad;
	__u64 stack[FS_STACK_DEPTH];
};

struct fs_activity {
	struct fs_header h;
	__u64 duration; /* 0 at the begin */
	__u64 pages;	/* base pages detached in it, held or not */
	__u64 cgroup;
	__u32 pid;
	__u32 tid;
	char comm[FS_COMM_LEN];
	__u8 kind; /* enum fs_activity_kind */
	__u8 end;
	__u8 pad[6];
};

/* fs_name.facts */
#define FS_NAME_COMPLETE	 (1u << 0) /* the path reaches the root of its mounts */
#define FS_NAME_IN_VICTIM_ROOT	 (1u << 1) /* it passes the victim's root directory */
#define FS_NAME_DELETED		 (1u << 2) /* the file has no link left */
#define FS_NAME_NOT_IN_DIRECTORY (1u << 3) /* this name is in no directory (any more) */
#define FS_NAME_INTERNAL	 (1u << 4) /* a mount of the kernel's own: memory without a path */
#define FS_NAME_OVERLAY		 (1u << 5) /* the path is that of another inode: an overlay's */

#define FS_NAME_LEN	 4096 /* PATH_MAX */
#define FS_NAME_PART_LEN 256  /* NAME_MAX and its end */
#define FS_NAME_BYTES	 (FS_NAME_LEN + FS_NAME_PART_LEN)

struct fs_name {
	struct fs_header h;
	__u64 inode;
	__u32 dev;
	__u32 fs_magic;
	__u32 facts;	       /* FS_NAME_ */
	__u32 mount_namespace; /* its number in /proc/PID/ns/mnt; 0 where the mount is in none */
	__u32 bytes;	       /* of the text that are used */
	__u32 pad;
	char fs_type[16];
	/* FS_NAME_BYTES of text follow: the parts of the path from the file towards the root,
	 * each with NUL at its end. */
};

struct fs_activity_totals {
	__u64 operations;
	__u64 pages;
	__u64 duration;
};

/* One for each CPU, on cache lines of its own; the tool adds them up.  Words and
 * nothing else. */
struct fs_counters {
	__u64 lookups; /* shared, let through by the victim filter */
	__u64 observations;
	__u64 retries[FS_RETRY_REASONS];
	__u64 failed_unmapped;	/* -EFAULT after an unmapped observation */
	__u64 failed_pin;	/* the pin's own error */
	__u64 failed_read_only; /* -EFAULT on a read-only anonymous page */
	__u64 failed_other;
	__u64 observation_missed; /* -EFAULT after a pin that was not seen */
	__u64 lookup_missed;	  /* a return without its entry */
	__u64 detaches;		  /* pages leaving the page cache */
	__u64 detaches_held;	  /* of those (and swap-outs, migrations) stored as held */
	__u64 emitted[FS_RECORD_KINDS];
	__u64 ring_full[FS_RECORD_KINDS];
	__u64 lookup_table_full;
	__u64 operation_table_full;
	__u64 slot_collision;	/* two detaches wrote one slot at once */
	__u64 slot_overwritten; /* an observation found the detach of another page in its slot */
	__u64 return_missed;	/* an entry found the last call's state still there */
	__u64 scope_collision;	/* two tasks shared one scope slot */
	struct fs_activity_totals activities[FS_ACT_KINDS];
	__u64 pad[6]; /* to whole cache lines */
};

#define FS_ASSERT_SIZE(type, bytes) _Static_assert(sizeof(type) == (bytes), #type)
FS_ASSERT_SIZE(struct fs_header, 16);
FS_ASSERT_SIZE(struct fs_page, 56);
FS_ASSERT_SIZE(struct fs_lookup, 192);
FS_ASSERT_SIZE(struct fs_detach, 312);
FS_ASSERT_SIZE(struct fs_activity, 72);
FS_ASSERT_SIZE(struct fs_name, 64);
FS_ASSERT_SIZE(struct fs_counters, 10 * 64);

#endif
