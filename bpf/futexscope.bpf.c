// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * Every program that can be attached: thin sections over the handlers in the headers.  A
 * role has one program for each rung of the ladder: _callsite (an instruction), _kprobe and
 * _kretprobe, _fentry and _fexit (BTF trampolines), _tp_btf and _raw_tp for tracepoints;
 * all roles on kprobe.multi share two programs.  It is decided at run time which programs
 * are loaded, and on which function; nothing is attached by section name.
 */
#include "sentinel.h"

char LICENSE[] SEC("license") = "Dual BSD/GPL";

/* The n-th argument of a traced function.  Through probe_read, because 5.10's
 * verifier refuses direct loads of arguments that are pointers to scalars. */
static __always_inline __u64 argument(const __u64 *ctx, int n)
{
	__u64 value = 0;

	bpf_probe_read_kernel(&value, sizeof(value), ctx + n);
	return value;
}

/* --- instructions of get_futex_key(): the registers are set for the call ----- */

SEC("kprobe")
int pin_callsite(struct pt_regs *ctx)
{
	if (!follows_lookups)
		return second_pin_begins(PT_REGS_PARM1(ctx), PT_REGS_PARM4(ctx));
	return switched_off ? 0
			    : pin_begins(current_lookup(), PT_REGS_PARM1(ctx), PT_REGS_PARM4(ctx),
					 PT_REGS_PARM3(ctx), true);
}

SEC("kprobe")
int pin_fault_callsite(struct pt_regs *ctx)
{
	return pin_faulted(ctx);
}

SEC("kprobe")
int pin_return_callsite(struct pt_regs *ctx)
{
	struct lookup_state *state;

	if (!follows_lookups)
		return second_pin_ends(PT_REGS_RC(ctx));
	state = current_lookup();
	return state ? pin_ends(state, PT_REGS_RC(ctx)) : 0;
}

SEC("kprobe")
int lock_wait_callsite(struct pt_regs *ctx)
{
	struct lookup_state *state = current_lookup();

	return state ? lock_waits(state, (void *)PT_REGS_PARM1(ctx)) : 0;
}

SEC("kprobe")
int unlock_callsite(struct pt_regs *ctx)
{
	return unlock_reached(ctx, (void *)PT_REGS_PARM1(ctx));
}

SEC("kprobe")
int lookup_return_callsite(struct pt_regs *ctx)
{
	return lookup_ends(PT_REGS_RC(ctx), false, true);
}

/* --- whole functions: the lookup ---------------------------------------- */

SEC("kprobe")
int lookup_kprobe(struct pt_regs *ctx)
{
	if ((__u32)PT_REGS_PARM2(ctx) & shared_argument_mask)
		begin_lookup(PT_REGS_PARM1(ctx), true, PT_REGS_PARM4(ctx) ? FS_LOOKUP_WRITE : 0);
	return 0;
}

SEC("kretprobe")
int lookup_kretprobe(struct pt_regs *ctx)
{
	return lookup_ends(PT_REGS_RC(ctx), false, false);
}

SEC("fentry")
int lookup_fentry(__u64 *ctx)
{
	if ((__u32)ctx[1] & shared_argument_mask)
		begin_lookup(argument(ctx, 0), true, ctx[3] ? FS_LOOKUP_WRITE : 0);
	return 0;
}

SEC("fexit")
int lookup_fexit(__u64 *ctx)
{
	return (__u32)ctx[1] & shared_argument_mask ? lookup_ends(ctx[4], true, false) : 0;
}

/* --- whole functions: the pin ------------------------------------------- */

SEC("kprobe")
int pin_kprobe(struct pt_regs *ctx)
{
	struct lookup_state *state = current_lookup();

	return state ? pin_called(state, PT_REGS_PARM1(ctx), PT_REGS_PARM4(ctx), PT_REGS_PARM3(ctx))
		     : 0;
}

SEC("kretprobe")
int pin_kretprobe(struct pt_regs *ctx)
{
	struct lookup_state *state = current_lookup();

	return state ? pin_returns(state, PT_REGS_RC(ctx)) : 0;
}

SEC("fentry")
int pin_fentry(__u64 *ctx)
{
	struct lookup_state *state = current_lookup();

	return state ? pin_called(state, ctx[0], argument(ctx, 3), ctx[2]) : 0;
}

SEC("fexit")
int pin_fexit(__u64 *ctx)
{
	struct lookup_state *state = current_lookup();

	return state ? pin_returns(state, ctx[4]) : 0;
}

/* --- whole functions: the page's lock ----------------------------------- */

SEC("kprobe")
int unlock_kprobe(struct pt_regs *ctx)
{
	struct lookup_state *state = current_lookup();

	return state ? page_unlocked(state, (void *)PT_REGS_PARM1(ctx), true) : 0;
}

SEC("fentry")
int unlock_fentry(__u64 *ctx)
{
	struct lookup_state *state = current_lookup();

	return state ? page_unlocked(state, (void *)argument(ctx, 0), true) : 0;
}

/* _plain: for kernels without bpf_find_vma(). */
SEC("kprobe")
int unlock_plain_kprobe(struct pt_regs *ctx)
{
	struct lookup_state *state = current_lookup();

	return state ? page_unlocked(state, (void *)PT_REGS_PARM1(ctx), false) : 0;
}

SEC("fentry")
int unlock_plain_fentry(__u64 *ctx)
{
	struct lookup_state *state = current_lookup();

	return state ? page_unlocked(state, (void *)argument(ctx, 0), false) : 0;
}

SEC("kprobe")
int lock_wait_kprobe(struct pt_regs *ctx)
{
	struct lookup_state *state = current_lookup();

	return state ? lock_waits(state, (void *)PT_REGS_PARM1(ctx)) : 0;
}

SEC("fentry")
int lock_wait_fentry(__u64 *ctx)
{
	struct lookup_state *state = current_lookup();

	return state ? lock_waits(state, (void *)argument(ctx, 0)) : 0;
}

/* --- detaches --------------------------------------------------------- */

static __noinline int detach_in_full(__u64 *ctx)
{
	return page_leaves_cache(ctx, (void *)argument(ctx, 0));
}

static __noinline int detach_outside(void)
{
	if (!switched_off)
		count_detach(bpf_get_current_pid_tgid(), 1);
	return 0;
}

/* The one program that runs for every page.  A single page that nobody else holds, removed
 * by an operation that is followed, costs an addition.  The argument has a type, so that
 * fields are plain loads.  Everything else is in functions, because the registers that they
 * need would be saved for every page. */
SEC("tp_btf/mm_filemap_delete_from_page_cache")
int detach_tp_btf(__u64 *ctx)
{
	struct page *head = (void *)ctx[0];
	struct page___memdesc *wrapped = (void *)ctx[0];
	struct scope *scope;
	__u32 tid;

	if (head->_refcount.counter > 2 ||
	    PAGE_FLAG(bpf_core_field_exists(head->flags) ? head->flags : wrapped->flags.f, PG_head))
		return detach_in_full(ctx);
	tid = bpf_get_current_pid_tgid();
	scope = scope_of(tid);
	if (scope->tid != tid)
		return detach_outside();
	scope->folios++;
	return 0;
}

SEC("raw_tp/mm_filemap_delete_from_page_cache")
int detach_raw_tp(__u64 *ctx)
{
	return page_leaves_cache(ctx, (void *)argument(ctx, 0));
}

/* On the function that follows the tracepoint, for kernels that preempt programs there. */
SEC("kprobe")
int detach_kprobe(struct pt_regs *ctx)
{
	return page_leaves_cache(ctx, (void *)PT_REGS_PARM2(ctx));
}

SEC("fentry")
int swap_out_fentry(__u64 *ctx)
{
	return page_swaps_out(ctx, (void *)argument(ctx, swap_out_folio_argument));
}

static __always_inline int swap_out_kprobe_body(struct pt_regs *ctx)
{
	unsigned long first = PT_REGS_PARM1(ctx), second = PT_REGS_PARM2(ctx);

	/* Two loads at fixed places: the verifier accepts no computed offset in a context. */
	barrier_var(first);
	barrier_var(second);
	return page_swaps_out(ctx, (void *)(swap_out_folio_argument ? second : first));
}

SEC("kprobe")
int swap_out_kprobe(struct pt_regs *ctx)
{
	return swap_out_kprobe_body(ctx);
}

/* folio_migrate_flags(new, old) and its ancestors. */
SEC("fentry")
int migrated_page_fentry(__u64 *ctx)
{
	return page_migrates(ctx, (void *)argument(ctx, 1));
}

SEC("kprobe")
int migrated_page_kprobe(struct pt_regs *ctx)
{
	return page_migrates(ctx, (void *)PT_REGS_PARM2(ctx));
}

/* --- activities ------------------------------------------------------- */

#define ACTIVITY_RETURN(name, hook) \
	SEC("fexit") int name##_fexit(void *ctx) \
	{ \
		return operation_end(hook); \
	} \
	SEC("kretprobe") int name##_kretprobe(void *ctx) \
	{ \
		return operation_end(hook); \
	}

#define ACTIVITY(name, hook) \
	SEC("fentry") int name##_fentry(void *ctx) \
	{ \
		return operation_begin(hook, kind_of_hook[hook], 0, 0); \
	} \
	SEC("kprobe") int name##_kprobe(void *ctx) \
	{ \
		return operation_begin(hook, kind_of_hook[hook], 0, 0); \
	} \
	ACTIVITY_RETURN(name, hook)

ACTIVITY(drop_caches, FS_HOOK_DROP_CACHES)
ACTIVITY(invalidate2, FS_HOOK_INVALIDATE2)
ACTIVITY(reclaim_direct, FS_HOOK_RECLAIM_DIRECT)
ACTIVITY(reclaim_memcg, FS_HOOK_RECLAIM_MEMCG)
ACTIVITY(reclaim_kswapd, FS_HOOK_RECLAIM_KSWAPD)
ACTIVITY(reclaim_list, FS_HOOK_RECLAIM_LIST)
ACTIVITY(truncate, FS_HOOK_TRUNCATE)
ACTIVITY(truncate_shmem, FS_HOOK_TRUNCATE_SHMEM)
ACTIVITY(truncate_hugetlb, FS_HOOK_TRUNCATE_HUGETLB)
ACTIVITY(block_device, FS_HOOK_BLOCK_DEVICE)
ACTIVITY(migrate, FS_HOOK_MIGRATE)
ACTIVITY(collapse, FS_HOOK_COLLAPSE)
ACTIVITY(split, FS_HOOK_SPLIT)
ACTIVITY(memory_failure, FS_HOOK_MEMORY_FAILURE)
ACTIVITY_RETURN(swap_out, FS_HOOK_SWAP_OUT)
ACTIVITY_RETURN(fadvise, FS_HOOK_FADVISE)
ACTIVITY_RETURN(fallocate, FS_HOOK_FALLOCATE)

SEC("fentry")
int fadvise_fentry(__u64 *ctx)
{
	return fadvise_begin(argument(ctx, 1), argument(ctx, 2), argument(ctx, 3));
}

SEC("kprobe")
int fadvise_kprobe(struct pt_regs *ctx)
{
	return fadvise_begin(PT_REGS_PARM2(ctx), PT_REGS_PARM3(ctx), PT_REGS_PARM4(ctx));
}

SEC("fentry")
int fallocate_fentry(__u64 *ctx)
{
	return fallocate_begin(argument(ctx, 1), argument(ctx, 2), argument(ctx, 3));
}

SEC("kprobe")
int fallocate_kprobe(struct pt_regs *ctx)
{
	return fallocate_begin(PT_REGS_PARM2(ctx), PT_REGS_PARM3(ctx), PT_REGS_PARM4(ctx));
}

/* --- what is only counted, on kprobe.multi -----------------------------
 *
 * Taking one function off ftrace waits for a grace period of RCU tasks, a tenth
 * of a second and more; all functions of one multi link go in one. */

SEC("kprobe")
int entry_multi(struct pt_regs *ctx)
{
	__u64 hook = bpf_get_attach_cookie(ctx);

	if (hook == FS_HOOK_FADVISE)
		return fadvise_begin(PT_REGS_PARM2(ctx), PT_REGS_PARM3(ctx), PT_REGS_PARM4(ctx));
	if (hook >= FS_HOOKS)
		return 0;
	return operation_begin(hook, kind_of_hook[hook], 0, 0);
}

SEC("kretprobe")
int return_multi(struct pt_regs *ctx)
{
	return operation_end(bpf_get_attach_cookie(ctx));
}
