/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The few kernel types that the programs read, each with only the fields that
 * are read; CO-RE finds their real offsets in the running kernel's BTF.  A
 * field that changed its name or type has a flavour here, named for the layout
 * it carries, with the version that brought it.  Nothing else in bpf/ knows
 * about kernel versions.
 */
#ifndef FUTEXSCOPE_KERNEL_TYPES_H
#define FUTEXSCOPE_KERNEL_TYPES_H
#define __VMLINUX_H__

typedef unsigned char __u8;
typedef signed char __s8;
typedef unsigned short __u16;
typedef short __s16;
typedef unsigned int __u32;
typedef int __s32;
typedef unsigned long long __u64;
typedef long long __s64;
typedef __u16 __be16;
typedef __u32 __be32;
typedef __u32 __wsum;
typedef _Bool bool;
#define true 1
#define false 0
#define NULL ((void *)0)

/* From uapi/linux/bpf.h, as values; the header itself would need the build host's asm/. */
enum bpf_map_type {
	BPF_MAP_TYPE_HASH = 1,
	BPF_MAP_TYPE_ARRAY = 2,
	BPF_MAP_TYPE_PERCPU_ARRAY = 6,
	BPF_MAP_TYPE_RINGBUF = 27,
};
enum { BPF_ANY = 0, BPF_F_MMAPABLE = 1 << 10 };

/* Only asked whether they exist in the running kernel (5.15, dd6e10fbd9fb; 5.17,
 * 7c7e3d31e785). */
enum bpf_func_id { BPF_FUNC_task_pt_regs = 175, BPF_FUNC_find_vma = 180 };

#if defined(__TARGET_ARCH_x86)
struct pt_regs {
	unsigned long r15, r14, r13, r12, bp, bx, r11, r10, r9, r8, ax, cx, dx, si, di, orig_ax, ip,
		cs, flags, sp, ss;
};
#elif defined(__TARGET_ARCH_arm64)
struct user_pt_regs {
	__u64 regs[31], sp, pc, pstate;
};
#else
#error "futexscope knows the register names of x86 and arm64"
#endif

#pragma clang attribute push(__attribute__((preserve_access_index)), apply_to = record)

typedef struct {
	int counter;
} atomic_t;

/* Values are taken from BTF by name: they differ from kernel to kernel. */
enum pageflags { PG_reserved, PG_uptodate, PG_swapbacked, PG_swapcache, PG_head, PG_hwpoison };

struct page {
	unsigned long flags;
	unsigned long compound_head;
	struct address_space *mapping;
	unsigned long index;
	atomic_t _refcount;
	unsigned char compound_order; /* to 5.17, in the first tail */
};

/* From 6.18 the flags are wrapped (53fbef56e07d). */
typedef struct {
	unsigned long f;
} memdesc_flags_t;
struct page___memdesc {
	memdesc_flags_t flags;
};

/* From 6.14 only folios have an index (acc53a0b4c15). */
struct page___folio_index {
	unsigned long __folio_index;
};

/* From 7.1 a tail page may carry a mask instead of a pointer. */
struct page___compound_info {
	unsigned long compound_info;
};

/* 5.18 to 6.5 the order has a field; after that it is the low byte of _flags_1. */
struct folio___order {
	unsigned char _folio_order;
};
struct folio___flags_1 {
	unsigned long _flags_1;
};

struct file_system_type {
	const char *name;
};

struct super_block {
	__u32 s_dev;
	struct file_system_type *s_type;
	unsigned long s_magic;
	void *s_fs_info;
};

struct hstate {
	unsigned long free_huge_pages;
	unsigned long resv_huge_pages;
};
struct hugetlbfs_sb_info {
	struct hstate *hstate;
};

/* The page cache: include/linux/xarray.h. */
struct xarray {
	void *xa_head;
};
struct xa_node {
	unsigned char shift;
	void *slots[1];
};

struct inode {
	unsigned int i_flags;
	unsigned int i_nlink;
	__u32 i_generation;
	struct super_block *i_sb;
	unsigned long i_ino;
	long long i_size;
};

struct address_space {
	struct inode *host;
	struct xarray i_pages;
};

struct qstr {
	__u64 hash_len;
	const unsigned char *name;
};

struct hlist_bl_node {
	struct hlist_bl_node **pprev;
};

struct dentry {
	struct hlist_bl_node d_hash; /* no pprev: in no directory */
	struct dentry *d_parent;
	struct qstr d_name;
	struct inode *d_inode;
	struct super_block *d_sb;
};

struct vfsmount {
	struct dentry *mnt_root;
	struct super_block *mnt_sb;
};

struct ns_common {
	unsigned int inum;
};

struct mnt_namespace {
	struct ns_common ns;
};

struct mount {
	struct mount *mnt_parent;
	struct dentry *mnt_mountpoint;
	struct vfsmount mnt;
	struct mnt_namespace *mnt_ns;
};

struct path {
	struct vfsmount *mnt;
	struct dentry *dentry;
};

struct fs_struct {
	struct path root;
};

struct file {
	struct inode *f_inode;
	struct address_space *f_mapping;
	struct path f_path;
};

/* A file of a layer below an overlay, from 6.5; from 6.8 with the path of the overlay. */
struct backing_file {
	struct file file;
	struct path user_path;
};

struct maple_tree {
	void *ma_root;
};

/* The areas of an address space, from 6.1 (524e00b36e8c). */
struct mm_struct {
	struct maple_tree mm_mt;
};

struct maple_range_64 {
	unsigned long pivot[1];
	void *slot[1];
};
struct maple_arange_64 {
	unsigned long pivot[1];
	void *slot[1];
};

struct vm_area_struct {
	unsigned long vm_start;
	unsigned long vm_end;
	struct mm_struct *vm_mm;
	unsigned long vm_flags;
	const void *vm_ops;
	unsigned long vm_pgoff;
	struct file *vm_file;
};

/* On x86: TS_COMPAT in `status` while a task is in a system call of the 32-bit table. */
struct thread_info {
	__u32 status;
};

struct task_struct {
	struct thread_info thread_info;
	void *io_uring;
	unsigned int flags;
	struct mm_struct *mm;
	struct fs_struct *fs;
	void *robust_list;
	void *compat_robust_list;
};

/* In 7.x what a task has of futexes is in a structure of its own. */
struct futex_sched_data {
	void *robust_list;
	void *compat_robust_list;
};
struct task_struct___futex {
	struct futex_sched_data futex;
};

#pragma clang attribute pop

/* Constants of the kernel that BTF does not have; they are the same in all supported
 * versions. */
#define FOLL_WRITE	1
#define PF_EXITING	0x4
#define PF_IO_WORKER	0x10 /* a thread of io_uring, whose registers are of an earlier call */
#define EFAULT		14
#define ENOSYS		38
#define ENOENT		2
#define MNT_NS_INTERNAL ((void *)-22l) /* ERR_PTR(-EINVAL) */
#define VM_READ		0x00000001
#define VM_WRITE	0x00000002
#define VM_DRIVER_FLAGS (0x00000400 | 0x00004000 | 0x10000000) /* PFNMAP, IO, MIXEDMAP */
#define VM_NO_PINS	(0x00000400 | 0x00004000)	       /* PFNMAP, IO */
#define S_DAX		(1u << 13)
#define HUGETLBFS_MAGIC 0x958458f6u
/* Before this release, the index of a page of hugetlbfs counts huge pages (a08c7193e4f1). */
#define HUGETLB_BASE_PAGES KERNEL_VERSION(6, 7, 0)
/* Queries of bpf_ringbuf_query(): include/uapi/linux/bpf.h. */
#define BPF_RB_AVAIL_DATA    0
#define BPF_RB_RING_SIZE     1
#define MADV_DONTNEED_ADVICE 4 /* POSIX_FADV_DONTNEED */

#endif
