/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Settings, maps and the counters: everything that the programs share.  Settings are
 * written once before loading, so the verifier removes the code that they switch off.
 * Counters are for each CPU and are still incremented atomically, because tracing programs
 * can be preempted, and a lost increment would be a silent loss.  They are in memory that
 * the tool has mapped, so reading them disturbs no program.
 */
#ifndef FUTEXSCOPE_MAPS_H
#define FUTEXSCOPE_MAPS_H

#include "kernel_types.h"
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_core_read.h>
#include <bpf/bpf_tracing.h>
#include "shared/records.h"

extern int LINUX_KERNEL_VERSION __kconfig;

/* Filter on victims; 0 or empty accepts every task. */
const volatile __u32 filter_pid = 0;
const volatile __u32 filter_tid = 0;
const volatile bool filter_by_uid = false;
const volatile __u32 filter_uid = 0;
const volatile __u64 filter_cgroup = 0;
const volatile __u32 filter_cgroup_level = 0;
const volatile bool filter_by_comm = false;
const volatile char filter_comm[FS_COMM_LEN] = {};

/* Which finished lookups are worth an event. */
const volatile bool emit_all = false;
const volatile __u64 min_passes = 0;
const volatile __u64 min_duration_ns = 0;
/* Report the end of every operation that detached something. */
const volatile bool emit_activities = false;
const volatile bool filter_by_result = false;
const volatile __s32 filter_result = 0;
/* Lookups are followed by programs on trampolines, two of which can be in progress on one
 * CPU. */
const volatile bool can_be_preempted = false;

/* Bits of get_futex_key()'s second argument that mean "shared": 0xff for the
 * bool of kernels to 6.6, FLAGS_SHARED after. */
const volatile __u32 shared_argument_mask = 0xff;
/* Position of the folio among the arguments of the swap-out function. */
const volatile __u32 swap_out_folio_argument = 0;

/* Whether get_futex_key() fails, as it does since 3.2 (e6780f7243ed), for a page without
 * a mapping outside the swap cache; if not, it may retry without end. */
const volatile bool has_todays_rule = false;

/* Base pages, as the kernel has them. */
const volatile __u32 page_shift = 12;
#define PAGE_SIZE (1ull << page_shift)

/* Set at the end of a trace: from then on programs do nothing.  Detaching them can last
 * longer than a user wants to wait. */
volatile __u64 switched_off SEC(".data.switch") = 0;

/* Two for each page.  16 MiB of slots would be a waste: a slot is needed from a detach to
 * the lookup that meets it, and 4096 slots of 336 bytes are 1.4 MB. */
#define DETACH_SLOTS 4096
/* Tasks inside a shared lookup at once: one in each slot; tasks whose slot is in use are in
 * a table, whose entries are freed on return. */
#define LOOKUP_SLOTS   4096
#define LOOKUPS_MAX    16384
#define OPERATIONS_MAX 8192
#define SCOPE_SLOTS    4096

struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 8 << 20); /* replaced by --ring-size */
} events SEC(".maps");

/* For records that find the lock of the first ring taken. */
struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 256 << 10);
} spare_events SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, 1); /* replaced by the number of possible CPUs */
	__type(key, __u32);
	__type(value, struct fs_counters);
} counters SEC(".maps");

static __always_inline struct fs_counters *my_counters(void)
{
	__u32 cpu = bpf_get_smp_processor_id();

	return bpf_map_lookup_elem(&counters, &cpu);
}

static __always_inline void add(__u64 *counter, __u64 amount)
{
	__atomic_fetch_add(counter, amount, __ATOMIC_RELAXED);
}

#define COUNT(field) \
	do { \
		struct fs_counters *c_ = my_counters(); \
		if (c_) \
			add(&c_->field, 1); \
	} while (0)

/* Whether a record has room in the ring, so that another CPU that held its lock is the reason
 * why it got none. */
static __always_inline bool has_room(__u64 bytes)
{
	return bpf_ringbuf_query(&events, BPF_RB_AVAIL_DATA) + bytes + 16 <
	       bpf_ringbuf_query(&events, BPF_RB_RING_SIZE);
}

/* Tries for the lock of a ring, which another CPU holds for the time of a few instructions,
 * unless its hypervisor has taken it off its processor meanwhile. */
#define RESERVE_TRIES 3

/* Reserves a record of one kind.  At an instruction the kernel counts as in an NMI, and only tries
 * the ring's lock: where another CPU holds it, the record goes through the spare ring.  So does one
 * with `in_spare`: what must be read before it is there.  A name does not: it is large, and sent
 * again.  A full ring is counted. */
static __always_inline void *reserve(__u16 kind, __u16 size, __u64 time, bool in_spare)
{
	struct fs_header *header = NULL;
	struct fs_counters *c = my_counters();

#pragma unroll
	for (int i = 0; i < RESERVE_TRIES && !in_spare; i++) {
		header = bpf_ringbuf_reserve(&events, size, 0);
		if (header || !has_room(size))
			break;
	}
	if (!header && kind != FS_NAME && has_room(size)) {
		in_spare = true;
		header = bpf_ringbuf_reserve(&spare_events, size, 0);
	}
	if (!header) {
		if (c)
			add(&c->ring_full[kind], 1);
		return NULL;
	}
	header->time = time;
	header->kind = kind;
	header->size = size;
	header->in_spare = in_spare;
	return header;
}

/* What findings can do without must not push out what they need. */
static __always_inline bool ring_has_room(void)
{
	return bpf_ringbuf_query(&events, BPF_RB_AVAIL_DATA) <
	       bpf_ringbuf_query(&events, BPF_RB_RING_SIZE) / 2;
}

/* Hands the record over and counts it, so that the reader can check its own. */
static __always_inline void submit(void *record, __u16 kind)
{
	struct fs_counters *c = my_counters();

	if (c)
		add(&c->emitted[kind], 1);
	bpf_ringbuf_submit(record, 0);
}

#endif
