// SPDX-License-Identifier: Apache-2.0 AND (GPL-2.0-only OR BSD-2-Clause)
/*
 * The least that a hook can cost: `floor HOOK NAME READY` attaches a program that
 * does nothing, makes the file READY, and waits for a signal.  HOOK is fentry,
 * fexit, fentry+fexit, kprobe or raw_tp.
 */
#include <bpf/bpf.h>
#include <bpf/btf.h>
#include <bpf/libbpf.h>
#include <fcntl.h>
#include <linux/perf_event.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <unistd.h>

static const struct bpf_insn nothing[] = {
	{ .code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = BPF_REG_0, .imm = 0 },
	{ .code = BPF_JMP | BPF_EXIT },
};

static void fail(const char *what)
{
	perror(what);
	exit(1);
}

static int load(enum bpf_prog_type type, enum bpf_attach_type attach, int btf_id)
{
	LIBBPF_OPTS(bpf_prog_load_opts, options, .expected_attach_type = attach,
		    .attach_btf_id = btf_id);
	int program = bpf_prog_load(type, "nothing", "Dual BSD/GPL", nothing, 2, &options);

	if (program < 0)
		fail("floor: cannot load");
	return program;
}

/* As libbpf opens one: a kprobe is a perf event with the function's name. */
static void attach_kprobe(const char *function)
{
	struct perf_event_attr event = { .size = sizeof(event) };
	FILE *type = fopen("/sys/bus/event_source/devices/kprobe/type", "r");
	int descriptor;

	if (!type || fscanf(type, "%u", &event.type) != 1)
		fail("floor: no kprobes");
	event.kprobe_func = (unsigned long)function;
	descriptor = syscall(SYS_perf_event_open, &event, -1, 0, -1, PERF_FLAG_FD_CLOEXEC);
	if (descriptor < 0 ||
	    ioctl(descriptor, PERF_EVENT_IOC_SET_BPF, load(BPF_PROG_TYPE_KPROBE, 0, 0)) ||
	    ioctl(descriptor, PERF_EVENT_IOC_ENABLE, 0))
		fail("floor: cannot attach");
}

static void attach_trampoline(const char *function, enum bpf_attach_type attach)
{
	int id = libbpf_find_vmlinux_btf_id(function, attach);

	if (id < 0 || bpf_raw_tracepoint_open(NULL, load(BPF_PROG_TYPE_TRACING, attach, id)) < 0)
		fail("floor: cannot attach");
}

int main(int argc, char **argv)
{
	if (argc != 4) {
		fprintf(stderr,
			"usage: floor fentry|fexit|fentry+fexit|kprobe|raw_tp NAME READY\n");
		return 64;
	}
	if (strstr(argv[1], "fentry"))
		attach_trampoline(argv[2], BPF_TRACE_FENTRY);
	if (strstr(argv[1], "fexit"))
		attach_trampoline(argv[2], BPF_TRACE_FEXIT);
	if (!strcmp(argv[1], "kprobe"))
		attach_kprobe(argv[2]);
	if (!strcmp(argv[1], "raw_tp") &&
	    bpf_raw_tracepoint_open(argv[2], load(BPF_PROG_TYPE_RAW_TRACEPOINT, 0, 0)) < 0)
		fail("floor: cannot attach");
	signal(SIGINT, SIG_DFL); /* a shell ignores it for what it runs in the background */
	close(open(argv[3], O_WRONLY | O_CREAT, 0600));
	pause();
	return 0;
}
