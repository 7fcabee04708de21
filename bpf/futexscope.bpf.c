// SPDX-License-Identifier: GPL-2.0
/*
 * Every program that can be attached: thin sections over the handlers in the
 * headers.  A role has one program for each rung of the ladder: _fentry and
 * _fexit (BTF trampolines), _kprobe and _kretprobe (also used as kprobe.multi),
 * _tp_btf and _raw_tp for tracepoints.  Which of them are loaded, and on which
 * function, is decided at run time; nothing is attached by section name.
 */
#include "lookup.h"

char LICENSE[] SEC("license") = "GPL";

/* The n-th argument of a traced function.  Through probe_read, because 5.10's
 * verifier refuses direct loads of arguments that are pointers to scalars. */
static __always_inline __u64 argument(const __u64 *ctx, int n)
{
	__u64 value = 0;

	bpf_probe_read_kernel(&value, sizeof(value), ctx + n);
	return value;
}

/* --- the lookup ------------------------------------------------------- */

SEC("fentry")
int lookup_fentry(__u64 *ctx)
{
	if (!((__u32)ctx[1] & shared_argument_mask))
		return 0;
	return lookup_begin(argument(ctx, 0), argument(ctx, 3));
}

SEC("fexit")
int lookup_fexit(__u64 *ctx)
{
	if (!((__u32)ctx[1] & shared_argument_mask))
		return 0;
	return lookup_end(ctx[4]);
}

SEC("kprobe")
int lookup_kprobe(struct pt_regs *ctx)
{
	if (!((__u32)PT_REGS_PARM2(ctx) & shared_argument_mask))
		return 0;
	return lookup_begin(PT_REGS_PARM1(ctx), PT_REGS_PARM4(ctx));
}

SEC("kretprobe")
int lookup_kretprobe(struct pt_regs *ctx)
{
	return lookup_end(PT_REGS_RC(ctx));
}

/* --- the pin ---------------------------------------------------------- */

SEC("fentry")
int pin_fentry(__u64 *ctx)
{
	return pin_begin(argument(ctx, 0), argument(ctx, 3), argument(ctx, 2));
}

SEC("fexit")
int pin_fexit(__u64 *ctx)
{
	return pin_end(argument(ctx, 4));
}

SEC("kprobe")
int pin_kprobe(struct pt_regs *ctx)
{
	return pin_begin(PT_REGS_PARM1(ctx), PT_REGS_PARM4(ctx), PT_REGS_PARM3(ctx));
}

SEC("kretprobe")
int pin_kretprobe(struct pt_regs *ctx)
{
	return pin_end(PT_REGS_RC(ctx));
}

/* --- the page's lock -------------------------------------------------- */

SEC("fentry")
int unlock_fentry(__u64 *ctx)
{
	return page_unlocked((void *)argument(ctx, 0), true);
}

SEC("kprobe")
int unlock_kprobe(struct pt_regs *ctx)
{
	return page_unlocked((void *)PT_REGS_PARM1(ctx), true);
}

/* For kernels without bpf_find_vma(). */
SEC("fentry")
int unlock_plain_fentry(__u64 *ctx)
{
	return page_unlocked((void *)argument(ctx, 0), false);
}

SEC("kprobe")
int unlock_plain_kprobe(struct pt_regs *ctx)
{
	return page_unlocked((void *)PT_REGS_PARM1(ctx), false);
}

SEC("fentry")
int lock_wait_fentry(__u64 *ctx)
{
	return lock_waits((void *)argument(ctx, 0));
}

SEC("kprobe")
int lock_wait_kprobe(struct pt_regs *ctx)
{
	return lock_waits((void *)PT_REGS_PARM1(ctx));
}

/* --- detaches --------------------------------------------------------- */

SEC("tp_btf/mm_filemap_delete_from_page_cache")
int detach_tp_btf(__u64 *ctx)
{
	return page_leaves_cache(ctx, (void *)argument(ctx, 0));
}

SEC("raw_tp/mm_filemap_delete_from_page_cache")
int detach_raw_tp(__u64 *ctx)
{
	return page_leaves_cache(ctx, (void *)argument(ctx, 0));
}

SEC("fentry")
int swap_out_fentry(__u64 *ctx)
{
	return page_swaps_out(ctx, (void *)argument(ctx, swap_out_folio_argument));
}

SEC("kprobe")
int swap_out_kprobe(struct pt_regs *ctx)
{
	unsigned long first = PT_REGS_PARM1(ctx), second = PT_REGS_PARM2(ctx);

	/* Two loads at fixed places: the verifier takes no computed one of a context. */
	barrier_var(first);
	barrier_var(second);
	return page_swaps_out(ctx, (void *)(swap_out_folio_argument ? second : first));
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
	SEC("fexit") int name##_fexit(void *ctx) { return operation_end(hook); } \
	SEC("kretprobe") int name##_kretprobe(void *ctx) { return operation_end(hook); }

#define ACTIVITY(name, hook, kind) \
	SEC("fentry") int name##_fentry(void *ctx) \
	{ \
		return operation_begin(hook, kind, 0, 0); \
	} \
	SEC("kprobe") int name##_kprobe(void *ctx) \
	{ \
		return operation_begin(hook, kind, 0, 0); \
	} \
	ACTIVITY_RETURN(name, hook)

ACTIVITY(drop_caches, HOOK_DROP_CACHES, FS_ACT_DROP_CACHES)
ACTIVITY(invalidate2, HOOK_INVALIDATE2, FS_ACT_DIRECT_IO_INVALIDATION)
ACTIVITY(reclaim_direct, HOOK_RECLAIM_DIRECT, FS_ACT_RECLAIM)
ACTIVITY(reclaim_memcg, HOOK_RECLAIM_MEMCG, FS_ACT_RECLAIM)
ACTIVITY(reclaim_kswapd, HOOK_RECLAIM_KSWAPD, FS_ACT_RECLAIM)
ACTIVITY(reclaim_list, HOOK_RECLAIM_LIST, FS_ACT_RECLAIM)
ACTIVITY(truncate, HOOK_TRUNCATE, FS_ACT_TRUNCATE)
ACTIVITY(truncate_shmem, HOOK_TRUNCATE_SHMEM, FS_ACT_TRUNCATE)
ACTIVITY(truncate_hugetlb, HOOK_TRUNCATE_HUGETLB, FS_ACT_TRUNCATE)
ACTIVITY(block_device, HOOK_BLOCK_DEVICE, FS_ACT_BLOCK_ZERO_OUT)
ACTIVITY(migrate, HOOK_MIGRATE, FS_ACT_MIGRATION)
ACTIVITY(collapse, HOOK_COLLAPSE, FS_ACT_COLLAPSE)
ACTIVITY(split, HOOK_SPLIT, FS_ACT_SPLIT)
ACTIVITY(memory_failure, HOOK_MEMORY_FAILURE, FS_ACT_MEMORY_FAILURE)
ACTIVITY_RETURN(swap_out, HOOK_SWAP_OUT)
ACTIVITY_RETURN(fadvise, HOOK_FADVISE)
ACTIVITY_RETURN(fallocate, HOOK_FALLOCATE)

SEC("fentry")
int fadvise_fentry(__u64 *ctx)
{
	return fadvise_begin(argument(ctx, 3));
}

SEC("kprobe")
int fadvise_kprobe(struct pt_regs *ctx)
{
	return fadvise_begin(PT_REGS_PARM4(ctx));
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
