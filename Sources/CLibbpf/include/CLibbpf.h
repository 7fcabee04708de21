/* SPDX-License-Identifier: Apache-2.0 */
/*
 * libbpf as Swift sees it.  Function-like macros, variadic callbacks and
 * struct options with size fields do not arrive in Swift, so each gets one
 * inline function here and nothing more.
 */
#ifndef FUTEXSCOPE_CLIBBPF_H
#define FUTEXSCOPE_CLIBBPF_H

#include <bpf/bpf.h>
#include <bpf/btf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <linux/bpf.h>
#include <linux/btf.h>
#include <malloc.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/signalfd.h>

/* Opens an object that lies in memory. When it is loaded, it is adapted to the types
 * in the file `types`, which is BTF; to the kernel's own if that is NULL. NULL on
 * failure, errno says why. */
static inline struct bpf_object *fs_object_open(const void *bytes, size_t size, const char *name,
						const char *types)
{
	LIBBPF_OPTS(bpf_object_open_opts, opts, .object_name = name, .btf_custom_path = types);
	return bpf_object__open_mem(bytes, size, &opts);
}

/* From now on, objects that are opened ask `ids` for the kernel's number of the type that a
 * program for a trampoline or a tracepoint is attached to, by the program's name; 0 stands
 * for none. Returns 0, or -errno. */
typedef unsigned int (*fs_attach_ids)(const char *program);

int fs_set_attach_ids(fs_attach_ids ids);

/* An empty file in memory, without a name. Its descriptor, or -1 with errno. */
int fs_types_file(void);

/* Attaches one kprobe.multi program to several functions, by their names or their
 * addresses, each with its cookie. */
static inline struct bpf_link *fs_attach_kprobe_multi(const struct bpf_program *program,
						      const char **functions,
						      const __u64 *addresses, const __u64 *cookies,
						      size_t count, bool at_return)
{
	LIBBPF_OPTS(bpf_kprobe_multi_opts, opts, .syms = functions,
		    .addrs = (const unsigned long *)addresses, .cookies = cookies, .cnt = count,
		    .retprobe = at_return);
	return bpf_program__attach_kprobe_multi_opts(program, NULL, &opts);
}

/* Attaches a kprobe program to an instruction inside a function. */
static inline struct bpf_link *fs_attach_kprobe_at(const struct bpf_program *program,
						   const char *function, size_t offset)
{
	LIBBPF_OPTS(bpf_kprobe_opts, opts, .offset = offset);
	return bpf_program__attach_kprobe_opts(program, function, &opts);
}

/* Loads a program for the trampoline of a kernel function; its descriptor or -errno. */
static inline int fs_try_trampoline(const char *function, const struct bpf_insn *instructions,
				    size_t count)
{
	int id = libbpf_find_vmlinux_btf_id(function, BPF_TRACE_FENTRY);
	LIBBPF_OPTS(bpf_prog_load_opts, opts, .expected_attach_type = BPF_TRACE_FENTRY);

	if (id < 0)
		return id;
	opts.attach_btf_id = id;
	return bpf_prog_load(BPF_PROG_TYPE_TRACING, "futexscope_try", "GPL", instructions, count,
			     &opts);
}

/* What the kernel counted for a loaded program; returns 0 or -errno. */
struct fs_program_cost {
	unsigned long long run_time_ns;
	unsigned long long run_count;
	unsigned long long recursion_misses;
};

static inline int fs_program_cost(const struct bpf_program *program, struct fs_program_cost *cost)
{
	struct bpf_prog_info info;
	unsigned int size = sizeof(info);
	int error;

	memset(&info, 0, sizeof(info));
	error = bpf_obj_get_info_by_fd(bpf_program__fd(program), &info, &size);
	if (error)
		return error;
	cost->run_time_ns = info.run_time_ns;
	cost->run_count = info.run_cnt;
	cost->recursion_misses = info.recursion_misses;
	return 0;
}

/* A word that the kernel may be writing just now. */
static inline unsigned long long fs_load_word(const void *word)
{
	return __atomic_load_n((const unsigned long long *)word, __ATOMIC_RELAXED);
}

/* libbpf's log lines go to `sink`, one formatted line a call. */
typedef void (*fs_log_sink)(int level, const char *line);

static inline fs_log_sink *fs_log_sink_in_use(void)
{
	static fs_log_sink sink;

	return &sink;
}

static inline int fs_log_print(enum libbpf_print_level level, const char *format, va_list args)
{
	va_list again;
	char *line;
	int length;

	va_copy(again, args);
	length = vsnprintf(NULL, 0, format, args);
	line = length < 0 ? NULL : malloc(length + 1);
	if (line && *fs_log_sink_in_use()) {
		vsnprintf(line, length + 1, format, again);
		(*fs_log_sink_in_use())((int)level, line);
	}
	free(line);
	va_end(again);
	return length;
}

static inline void fs_set_log_sink(fs_log_sink sink)
{
	*fs_log_sink_in_use() = sink;
	libbpf_set_print(fs_log_print);
}

/*
 * Forks a child that holds all descriptors of this process.  When this process closes
 * `*release`, the child closes them, the `count` descriptors at `first` before the others.
 * `*gone` reads end-of-file when the child has done so.  Returns its process id, or -errno.
 */
int fs_keep_in_child(const int *first, size_t count, int *release, int *gone);

#endif
