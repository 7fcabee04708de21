/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The range that the current system call removes from a file, from the registers with which
 * the task entered the kernel.  The hook on fallocate() can be skipped while another
 * program is preempted; these registers cannot.  They do not show the file ranges of
 * MADV_REMOVE, nor what io_uring and file servers request: only the hook sees those.
 */
#ifndef FUTEXSCOPE_CUT_H
#define FUTEXSCOPE_CUT_H

#include "maps.h"

#define FALLOC_FL_PUNCH_HOLE 0x02
#define FALLOC_FL_OTHER_CUTS (0x08 | 0x10 | 0x20) /* collapse, zero, insert range */
#define MADV_REMOVE	     9

struct cut {
	__u32 kind; /* enum fs_activity_kind */
	bool range_known;
	__u64 start;
	__u64 end;
};

#define READ_REGISTER(value, from) bpf_probe_read_kernel(&(value), sizeof(value), &(from))

static __always_inline __u32 cut_of_mode(__u32 mode)
{
	if (mode & FALLOC_FL_PUNCH_HOLE)
		return FS_ACT_HOLE_PUNCH;
	return mode & FALLOC_FL_OTHER_CUTS ? FS_ACT_FALLOCATE_OTHER : FS_ACT_NONE;
}

#if defined(__TARGET_ARCH_x86)
#define USER_CS 0x33 /* a program of 64 bits */

static __always_inline void read_cut(struct cut *cut)
{
	struct pt_regs *regs = (void *)bpf_task_pt_regs(bpf_get_current_task_btf());
	__u64 number = 0, mode = 0, advice = 0, length = 0;
	__s64 result = 0;
	__u16 cs = 0;

	/* The call is over, and the task works for io_uring on its way out. */
	READ_REGISTER(result, regs->ax);
	if (result != -ENOSYS)
		return;
	READ_REGISTER(number, regs->orig_ax);
	number &= ~0x40000000ull; /* that bit: x32 */
	READ_REGISTER(cs, regs->cs);
	if (cs != USER_CS)
		return;
	if (number == 28) { /* madvise */
		READ_REGISTER(advice, regs->dx);
		if ((__u32)advice == MADV_REMOVE)
			cut->kind = FS_ACT_HOLE_PUNCH;
	} else if (number == 285) { /* fallocate */
		READ_REGISTER(mode, regs->si);
		READ_REGISTER(cut->start, regs->dx);
		READ_REGISTER(length, regs->r10);
		cut->end = cut->start + length;
		cut->kind = cut_of_mode(mode);
		cut->range_known = cut->kind != FS_ACT_NONE;
	}
}
#elif defined(__TARGET_ARCH_arm64)
#define PSR_MODE32_BIT 0x10

struct pt_regs___number {
	struct user_pt_regs user_regs;
	__u64 orig_x0;
	__s32 syscallno;
} __attribute__((preserve_access_index));

static __always_inline void read_cut(struct cut *cut)
{
	struct pt_regs___number *regs = (void *)bpf_task_pt_regs(bpf_get_current_task_btf());
	__s32 number = BPF_CORE_READ(regs, syscallno);

	/* The call is over, and the task works for io_uring on its way out. */
	if (BPF_CORE_READ(regs, user_regs.regs[0]) != BPF_CORE_READ(regs, orig_x0))
		return;
	if (BPF_CORE_READ(regs, user_regs.pstate) & PSR_MODE32_BIT)
		return;
	if (number == 233) { /* madvise */
		if ((__u32)BPF_CORE_READ(regs, user_regs.regs[2]) == MADV_REMOVE)
			cut->kind = FS_ACT_HOLE_PUNCH;
	} else if (number == 47) { /* fallocate */
		cut->start = BPF_CORE_READ(regs, user_regs.regs[2]);
		cut->end = cut->start + BPF_CORE_READ(regs, user_regs.regs[3]);
		cut->kind = cut_of_mode(BPF_CORE_READ(regs, user_regs.regs[1]));
		cut->range_known = cut->kind != FS_ACT_NONE;
	}
}
#endif

/* The kind is none where nothing is removed, or where the kernel does not show registers. */
static __always_inline struct cut current_cut(void)
{
	struct cut cut = {};

	if (bpf_core_enum_value_exists(enum bpf_func_id, BPF_FUNC_task_pt_regs) &&
	    !(BPF_CORE_READ(bpf_get_current_task_btf(), flags) & PF_IO_WORKER))
		read_cut(&cut);
	return cut;
}

#endif
