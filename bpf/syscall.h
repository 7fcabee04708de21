/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The futex operation of the current task's system call, with its arguments, for a probe in
 * the middle of get_futex_key() that has not seen them.  An operation that is not known
 * (io_uring, a kernel that does not show the registers of a system call) is FS_OP_NONE.
 */
#ifndef FUTEXSCOPE_SYSCALL_H
#define FUTEXSCOPE_SYSCALL_H

#include "maps.h"

/* include/uapi/linux/futex.h */
#define FUTEX_WAIT	      0
#define FUTEX_WAKE	      1
#define FUTEX_REQUEUE	      3
#define FUTEX_CMP_REQUEUE     4
#define FUTEX_WAKE_OP	      5
#define FUTEX_LOCK_PI	      6
#define FUTEX_UNLOCK_PI	      7
#define FUTEX_TRYLOCK_PI      8
#define FUTEX_WAIT_BITSET     9
#define FUTEX_WAKE_BITSET     10
#define FUTEX_WAIT_REQUEUE_PI 11
#define FUTEX_CMP_REQUEUE_PI  12
#define FUTEX_LOCK_PI2	      13
#define FUTEX_CMD_MASK	      0x7f

/* A system call on futexes, and its arguments. */
struct futex_call {
	enum { CALL_OTHER, CALL_FUTEX, CALL_WORD, CALL_VECTOR } kind;
	__u32 command;
	__u32 operation; /* enum fs_operation, where it is another call than futex() */
	__u64 word;
	__u64 second;
	__u64 count; /* of a vector */
};

#if defined(__TARGET_ARCH_x86)
#define KEPT_REGISTERS 6
#define ENTRY_WORDS    21
#elif defined(__TARGET_ARCH_arm64)
#define KEPT_REGISTERS 10
#define ENTRY_WORDS    36
#endif

/* The registers at one moment: those that the function keeps across its calls, and those
 * with which the task entered the kernel.  On the stack, the verifier would have to follow
 * each of them on every path.  The probe runs with interrupts off, once on a CPU. */
struct moment {
	__u64 kept[KEPT_REGISTERS];
	__u64 entry[ENTRY_WORDS]; /* a struct pt_regs; all zero if it cannot be read */
};

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct moment);
} moments SEC(".maps");

static __always_inline struct moment *this_moment(void)
{
	__u32 zero = 0;

	return bpf_map_lookup_elem(&moments, &zero);
}

/* The calls whose numbers are the same on both processors and in the 32-bit table of x86. */
static __always_inline void read_newer_call(struct futex_call *call, __u64 number)
{
	switch (number) {
	case 426: /* io_uring_enter */
		call->operation = FS_OP_IO_URING;
		break;
	case 449: /* futex_waitv */
		call->kind = CALL_VECTOR;
		call->operation = FS_OP_WAITV;
		break;
	case 454: /* futex_wake */
		call->kind = CALL_WORD;
		call->operation = FS_OP_WAKE;
		break;
	case 455: /* futex_wait */
		call->kind = CALL_WORD;
		call->operation = FS_OP_WAIT;
		break;
	case 456: /* futex_requeue: a vector of two */
		call->kind = CALL_VECTOR;
		call->count = 2;
		call->operation = FS_OP_CMP_REQUEUE;
		break;
	}
}

/* read_call() fills in the call of the current task from the registers with which it entered the
 * kernel.  A FUTEX_WAIT that was interrupted goes on as restart_syscall(), with the registers of
 * the first call.  The numbers are those of futex(), in the 32-bit table also of futex_time64(),
 * and last of restart_syscall(). */
#if defined(__TARGET_ARCH_x86)
#define TS_COMPAT 2 /* arch/x86/include/asm/thread_info.h: the call is one of the 32-bit table */

/* Programs of 64 bits can make calls of the 32-bit table too, with int $0x80. */
static __always_inline bool is_compat_call(void)
{
	return BPF_CORE_READ(bpf_get_current_task_btf(), thread_info.status) & TS_COMPAT;
}

static __always_inline void keep_registers(struct moment *moment, struct pt_regs *ctx)
{
	moment->kept[0] = ctx->bx;
	moment->kept[1] = ctx->bp;
	moment->kept[2] = ctx->r12;
	moment->kept[3] = ctx->r13;
	moment->kept[4] = ctx->r14;
	moment->kept[5] = ctx->r15;
}

static __always_inline void read_call(struct futex_call *call, const __u64 *entry)
{
	const struct pt_regs *regs = (void *)entry;
	__u64 number;
	bool is_futex;

	call->kind = CALL_OTHER;
	/* The call is over, and the task works for io_uring on its way out. */
	if ((__s64)regs->ax != -ENOSYS)
		return;
	if (is_compat_call()) {
		call->word = (__u32)regs->bx;
		call->count = (__u32)regs->cx;
		call->second = (__u32)regs->di;
		number = (__u32)regs->orig_ax;
		is_futex = number == 240 || number == 422 || number == 0;
	} else {
		call->word = regs->di;
		call->count = regs->si;
		call->second = regs->r8;
		number = regs->orig_ax & ~0x40000000ul; /* that bit: x32 */
		is_futex = number == 202 || number == 219;
	}
	call->command = call->count & FUTEX_CMD_MASK;
	if (is_futex)
		call->kind = CALL_FUTEX;
	else
		read_newer_call(call, number);
}
#elif defined(__TARGET_ARCH_arm64)
struct pt_regs___call {
	struct user_pt_regs user_regs;
	__u64 orig_x0;
	__s32 syscallno;
} __attribute__((preserve_access_index));

static __always_inline void keep_registers(struct moment *moment, struct pt_regs *ctx)
{
	struct user_pt_regs *regs = (void *)ctx;

	for (int i = 0; i < KEPT_REGISTERS; i++)
		moment->kept[i] = regs->regs[19 + i];
}

static __always_inline void read_call(struct futex_call *call, const __u64 *entry)
{
	struct pt_regs___call *regs = (void *)bpf_task_pt_regs(bpf_get_current_task_btf());
	__u64 number;

	call->kind = CALL_OTHER;
	call->word = BPF_CORE_READ(regs, orig_x0);
	/* The call is over, and the task works for io_uring on its way out. */
	if (BPF_CORE_READ(regs, user_regs.regs[0]) != call->word)
		return;
	call->count = BPF_CORE_READ(regs, user_regs.regs[1]);
	call->command = call->count & FUTEX_CMD_MASK;
	call->second = BPF_CORE_READ(regs, user_regs.regs[4]);
	number = BPF_CORE_READ(regs, syscallno);
	if (number == 98 || number == 128)
		call->kind = CALL_FUTEX;
	else
		read_newer_call(call, number);
}
#endif

/* Keeps the registers with which the task entered the kernel; NULL where there is no room
 * for them. */
static __always_inline struct moment *begin_moment(void)
{
	struct moment *moment = this_moment();

	/* A read that fails leaves zeros, which no system call has. */
	if (moment)
		bpf_probe_read_kernel(moment->entry, sizeof(moment->entry),
				      (void *)bpf_task_pt_regs(bpf_get_current_task_btf()));
	return moment;
}

static __always_inline __u64 page_of(__u64 address)
{
	return address & ~(PAGE_SIZE - 1);
}

/* Whether the current task may do work of its io_uring instead of its system call: on the way
 * into the call under a tracer, or on the way out of one that is not known. */
static __always_inline bool uses_io_uring(void)
{
	struct task_struct *task = bpf_get_current_task_btf();

	return bpf_core_field_exists(task->io_uring) && BPF_CORE_READ(task, io_uring);
}

#define COMMANDS 16

/* The operation of each command of futex(); variants with a set of bits or a clock have the
 * same one. */
static const __u8 operation_of_command[COMMANDS] = {
	[FUTEX_WAIT] = FS_OP_WAIT,
	[FUTEX_WAKE] = FS_OP_WAKE,
	[FUTEX_REQUEUE] = FS_OP_REQUEUE,
	[FUTEX_CMP_REQUEUE] = FS_OP_CMP_REQUEUE,
	[FUTEX_WAKE_OP] = FS_OP_WAKE_OP,
	[FUTEX_LOCK_PI] = FS_OP_LOCK_PI,
	[FUTEX_UNLOCK_PI] = FS_OP_UNLOCK_PI,
	[FUTEX_TRYLOCK_PI] = FS_OP_TRYLOCK_PI,
	[FUTEX_WAIT_BITSET] = FS_OP_WAIT,
	[FUTEX_WAKE_BITSET] = FS_OP_WAKE,
	[FUTEX_WAIT_REQUEUE_PI] = FS_OP_WAIT_REQUEUE_PI,
	[FUTEX_CMP_REQUEUE_PI] = FS_OP_CMP_REQUEUE_PI,
	[FUTEX_LOCK_PI2] = FS_OP_LOCK_PI,
};

/* Which tasks the kernel wakes for a task that ends: those of its list of robust futexes
 * come first, and the list is cleared then (exit_mm_release() of kernel/fork.c). */
static __always_inline __u32 operation_of_exit(struct task_struct *task)
{
	struct task_struct___futex *newer = (void *)task;
	void *list = NULL, *compat = NULL;

	if (bpf_core_field_exists(task->robust_list))
		list = BPF_CORE_READ(task, robust_list);
	else if (bpf_core_field_exists(newer->futex))
		list = BPF_CORE_READ(newer, futex.robust_list);
	else
		return FS_OP_NONE;
	if (bpf_core_field_exists(task->compat_robust_list))
		compat = BPF_CORE_READ(task, compat_robust_list);
	else if (bpf_core_field_exists(newer->futex.compat_robust_list))
		compat = BPF_CORE_READ(newer, futex.compat_robust_list);
	return list || compat ? FS_OP_EXIT_ROBUST : FS_OP_EXIT_THREAD;
}

/* The operation in which the current task looks up a word.  `uaddr` is its address, or an address
 * in its page, or 0 where neither is known.  The result is FS_OP_NONE where the kernel does not show the registers of a
 * system call, or where the call is none of these. */
static __noinline __u32 current_operation(__u64 uaddr)
{
	struct task_struct *task;
	struct futex_call call = {};
	struct moment *moment;
	__u32 command, flags;

	if (can_be_preempted ||
	    !bpf_core_enum_value_exists(enum bpf_func_id, BPF_FUNC_task_pt_regs))
		return FS_OP_NONE;
	task = bpf_get_current_task_btf();
	flags = BPF_CORE_READ(task, flags);
	if (flags & PF_EXITING)
		return operation_of_exit(task);
	if (flags & PF_IO_WORKER)
		return FS_OP_IO_URING;
	moment = begin_moment();
	if (!moment)
		return FS_OP_NONE;
	read_call(&call, moment->entry);
	if (uses_io_uring() && (call.kind == CALL_WORD || call.kind == CALL_FUTEX) &&
	    page_of(call.word) != page_of(uaddr) && page_of(call.second) != page_of(uaddr))
		return FS_OP_NONE;
	if (call.kind != CALL_FUTEX)
		return call.operation;
	command = call.command;
	if (command >= COMMANDS)
		return FS_OP_NONE;
	barrier_var(command); /* the verifier needs a bound */
	return operation_of_command[command & (COMMANDS - 1)];
}

#endif
