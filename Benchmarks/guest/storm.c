// SPDX-License-Identifier: Apache-2.0
/*
 * The least that a consumer can do: `storm OBJECT SHARED READY` loads futexscope's own
 * programs with every lookup reported, attaches those of a lookup by fentry, and copies
 * what comes through the ring into a buffer.  It sleeps between reads as futexscope does,
 * so that the producer runs in the same way for both.  On SIGINT it prints the number of
 * lookups that arrived and the number that had no room in the ring.
 */
#include <bpf/bpf.h>
#include <bpf/btf.h>
#include <bpf/libbpf.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "../../bpf/shared/records.h"

static const struct {
	const char *program, *function;
} attached[] = {
	{ "lookup_fentry", "get_futex_key" },	 { "lookup_fexit", "get_futex_key" },
	{ "pin_fentry", "get_user_pages_fast" }, { "pin_fexit", "get_user_pages_fast" },
	{ "unlock_fentry", "folio_unlock" },
};
#define ATTACHED (sizeof(attached) / sizeof(attached[0]))

#define RING_BYTES (8 << 20)

static char buffer[256 << 10];
static size_t used, taken;
static unsigned long long lookups;
static volatile sig_atomic_t ends;

static void fail(const char *what)
{
	perror(what);
	exit(1);
}

static void end(int number)
{
	(void)number;
	ends = 1;
}

static int take(void *context, void *data, size_t size)
{
	(void)context;
	if (used + size > sizeof(buffer))
		used = 0;
	memcpy(buffer + used, data, size);
	used += size;
	taken += size;
	lookups += ((struct fs_header *)data)->kind == FS_LOOKUP;
	return 0;
}

/* Sets a variable of .rodata, wherever the object's BTF says that it lies. */
static void set(struct bpf_object *object, const char *name, const void *value, size_t size)
{
	struct bpf_map *map = bpf_object__find_map_by_name(object, ".rodata");
	struct btf *btf = bpf_object__btf(object);
	int section = btf__find_by_name_kind(btf, ".rodata", BTF_KIND_DATASEC);
	const struct btf_type *type = btf__type_by_id(btf, section);
	size_t room;
	char *data = map ? (char *)bpf_map__initial_value(map, &room) : NULL;

	if (!data || !type)
		fail("storm: the object has no settings");
	for (int i = 0; i < btf_vlen(type); i++) {
		const struct btf_var_secinfo *place = &btf_var_secinfos(type)[i];
		const struct btf_type *variable = btf__type_by_id(btf, place->type);

		if (!strcmp(btf__name_by_offset(btf, variable->name_off), name) &&
		    place->offset + size <= room) {
			memcpy(data + place->offset, value, size);
			return;
		}
	}
	fail("storm: the object has no such setting");
}

int main(int argc, char **argv)
{
	struct bpf_object *object = argc == 4 ? bpf_object__open_file(argv[1], NULL) : NULL;
	struct bpf_program *program;
	struct ring_buffer *ring;
	struct fs_counters counters;
	unsigned long long full = 0;
	struct bpf_map *counting;
	__u32 shared;

	if (!object) {
		fprintf(stderr, "usage: storm OBJECT SHARED-MASK READY\n");
		return 64;
	}
	shared = strtoul(argv[2], NULL, 0);
	set(object, "emit_all", &(char){ 1 }, 1);
	set(object, "shared_argument_mask", &shared, sizeof(shared));
	bpf_object__for_each_program(program, object) bpf_program__set_autoload(program, false);
	for (size_t i = 0; i < ATTACHED; i++) {
		program = bpf_object__find_program_by_name(object, attached[i].program);
		if (!program || bpf_program__set_autoload(program, true) ||
		    bpf_program__set_attach_target(program, 0, attached[i].function))
			fail(attached[i].program);
	}
	counting = bpf_object__find_map_by_name(object, "counters");
	if (!counting || bpf_map__set_max_entries(counting, libbpf_num_possible_cpus()))
		fail("storm: no counters");
	if (bpf_object__load(object))
		fail("storm: cannot load");
	ring = ring_buffer__new(bpf_object__find_map_fd_by_name(object, "events"), take, NULL,
				NULL);
	if (!ring)
		fail("storm: no ring");
	signal(SIGINT, end);
	for (size_t i = 0; i < ATTACHED; i++)
		if (!bpf_program__attach(
			    bpf_object__find_program_by_name(object, attached[i].program)))
			fail(attached[i].program);
	close(open(argv[3], O_WRONLY | O_CREAT, 0600));
	while (!ends) {
		taken = 0;
		ring_buffer__poll(ring, 50);
		if (taken && taken < RING_BYTES / 16)
			usleep(2000);
	}
	ring_buffer__consume(ring);
	for (__u32 cpu = 0; cpu < bpf_map__max_entries(counting); cpu++)
		if (!bpf_map_lookup_elem(bpf_map__fd(counting), &cpu, &counters))
			full += counters.ring_full[FS_LOOKUP];
	printf("delivered %llu lost %llu\n", lookups, full);
	return 0;
}
