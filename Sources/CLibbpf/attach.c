// SPDX-License-Identifier: Apache-2.0
/*
 * Loads programs for trampolines and BTF tracepoints.  The kernel needs the type number of
 * the function or tracepoint that such a program is attached to.  libbpf finds this number
 * by reading all of the kernel's types, several megabytes, again for each program; the
 * caller of this function knows the numbers.  A program of this type makes libbpf read the
 * types in any case, so its type is set last.
 */
#define _GNU_SOURCE
#include "CLibbpf.h"

#include <sys/mman.h>

#ifndef MFD_NOEXEC_SEAL
#define MFD_NOEXEC_SEAL 8u
#endif

static fs_attach_ids attach_ids;

static int prepare(struct bpf_program *program, struct bpf_prog_load_opts *opts, long cookie)
{
	unsigned int id = attach_ids(bpf_program__name(program));

	if (!id)
		return -ENOENT;
	opts->attach_btf_id = id;
	return bpf_program__set_type(program, BPF_PROG_TYPE_TRACING);
}

int fs_set_attach_ids(fs_attach_ids ids)
{
	static const struct {
		const char *section;
		enum bpf_attach_type type;
	} kinds[] = {
		{ "fentry+", BPF_TRACE_FENTRY },
		{ "fexit+", BPF_TRACE_FEXIT },
		{ "tp_btf+", BPF_TRACE_RAW_TP },
	};
	LIBBPF_OPTS(libbpf_prog_handler_opts, opts, .prog_prepare_load_fn = prepare);

	if (!attach_ids)
		for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
			int error = libbpf_register_prog_handler(kinds[i].section,
								 BPF_PROG_TYPE_RAW_TRACEPOINT,
								 kinds[i].type, &opts);

			if (error < 0)
				return error;
		}
	attach_ids = ids;
	return 0;
}

int fs_types_file(void)
{
	/* Newer kernels can require the flag that forbids execution (6.3); older ones do not
	 * know it. */
	int file = memfd_create("futexscope", MFD_CLOEXEC | MFD_NOEXEC_SEAL);

	return file >= 0 ? file : memfd_create("futexscope", MFD_CLOEXEC);
}
