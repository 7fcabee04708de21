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

/* uapi/linux/bpf.h, by value; the header itself wants the build host's asm/. */
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
enum pageflags { PG_reserved, PG_uptodate, PG_swapbacked, PG_swapcache, PG_head };

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

struct super_block {
	__u32 s_dev;
	unsigned long s_magic;
};

struct inode {
	unsigned int i_flags;
	struct super_block *i_sb;
	unsigned long i_ino;
	long long i_size;
};

struct address_space {
	struct inode *host;
};

struct file {
	struct inode *f_inode;
	struct address_space *f_mapping;
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

struct task_struct {
	unsigned int flags;
	struct mm_struct *mm;
};

#pragma clang attribute pop

/* Constants of the kernel's that BTF does not carry; the same in all versions read. */
#define FOLL_WRITE	1
#define EFAULT		14
#define VM_DRIVER_FLAGS (0x00000400 | 0x00004000 | 0x10000000) /* PFNMAP, IO, MIXEDMAP */
#define S_DAX		(1u << 13)
#define HUGETLBFS_MAGIC 0x958458f6u
/* What bpf_ringbuf_query() is asked: include/uapi/linux/bpf.h. */
#define BPF_RB_AVAIL_DATA    0
#define BPF_RB_RING_SIZE     1
#define MADV_DONTNEED_ADVICE 4 /* POSIX_FADV_DONTNEED */

#endif
