/* SPDX-License-Identifier: Apache-2.0 */
// System calls that Swift cannot import: variadic ones, GNU extensions, function-like macros and unions. They are for
// the workloads behind `provoke`, and for files that are made in order to look at their pages. Every function is the
// bare call: -1 and errno on failure.
//
// This header includes no system header that differs with _GNU_SOURCE: Swift builds its own module of the C library without
// it, and refuses two definitions of one struct.
#ifndef FUTEXSCOPE_PROVOCATION_CALLS_H
#define FUTEXSCOPE_PROVOCATION_CALLS_H

#include <signal.h>
#include <stddef.h>
#include <stdint.h>

// Values that the headers of this build may not have; the kernel returns EINVAL if it does not have them.
static const int CLINUX_MADV_PAGEOUT = 21;
static const int CLINUX_MADV_COLLAPSE = 25;
extern const int clinux_o_direct; // another value on every architecture

// Reads, or rewrites, the word at `address` as an application does.  0, or -1 when that raised
// SIGBUS (the page is beyond the end of its file, or poisoned).  See touch.c.
int clinux_touch(volatile uint32_t *address, int writes);

// MADV_HWPOISON; this process survives the signal.
int clinux_poison(void *address, size_t length);

// FUTEX_WAKE of nobody on a futex that processes share: how many were woken, or -1.
long clinux_futex_wake_shared(uint32_t *address);

// An operation on a shared futex that is expected to fail: -1 then. FUTEX_WAIT returns at once, since
// it expects another value than 0.
static const int CLINUX_FUTEX_WAIT = 0;
static const int CLINUX_FUTEX_WAKE = 1;
static const int CLINUX_FUTEX_TRYLOCK_PI = 8;
long clinux_futex_shared(uint32_t *address, int command);

// FUTEX_WAKE_OP, which looks two futexes up, the second one for writing; it wakes nobody and changes neither word.
long clinux_futex_wake_op(uint32_t *first, uint32_t *second, int is_private);

// A file of secret memory (memfd_secret, Linux 5.14).
int clinux_secret_file(void);

int clinux_open(const char *path, int flags, unsigned mode);

// An unnamed file in memory; of 2 MiB pages if `huge`.
int clinux_memory_file(const char *name, int huge);

// A file without a name on the file system of a directory.
int clinux_unnamed_file(const char *directory);
// Puts a reference to the page at `address` into a pipe, instead of a copy.
long clinux_hold_page(int pipe, void *address);

int clinux_gettid(void);

// Names the calling task; ends it with the task that started it.
int clinux_set_name(const char *name);
int clinux_die_with_parent(void);

int clinux_punch_hole(int fd, int64_t offset, int64_t length);

// The magic number of the file system of `path`; 0 on failure.
uint64_t clinux_fs_magic(const char *path);

// Function-like macros.
unsigned clinux_major(uint64_t device);
unsigned clinux_minor(uint64_t device);
int clinux_is_directory(unsigned mode);
int clinux_is_block_device(unsigned mode);
int clinux_exited(int status);
int clinux_killed_by(int status);
int clinux_mmap_failed(const void *address);

// The highest CPU that the caller can run on, or -1; and pinning the caller to one CPU.
int clinux_last_allowed_cpu(void);
int clinux_pin(int cpu);
int clinux_real_time(int priority);

void *clinux_vdso(void);

// Block devices.
int clinux_zero_out(int fd, uint64_t offset, uint64_t length);
int clinux_loop_get_free(int control);
// LOOP_SET_FD rather than LOOP_CONFIGURE, which needs Linux 5.8 and has no advantage here.
int clinux_loop_attach(int loop, int file);
int clinux_loop_detach(int loop);

// Pages that a driver inserts into the mapping: the descriptor to map, at offset 0.
int clinux_packet_ring(uint32_t bytes);
int clinux_bpf_mmapable_array(uint32_t bytes);
int clinux_io_uring(void);

// Memory of another process.
int clinux_pidfd_open(int pid);
long clinux_process_madvise(int pidfd, void *address, size_t length, int advice);
// The page's node afterwards or a negative errno in `*status`.
long clinux_move_page(int pid, void *address, int node, int *status);

int clinux_nap(int64_t ns);

// Signals for which the coordinator waits; blocked while it runs, so that none is lost between two checks.
int clinux_block_signals(sigset_t *before);
// The signal that arrived, or -1 with EAGAIN when `ns` have passed.
int clinux_wait_for_signal(int64_t ns);
int clinux_restore_signals(const sigset_t *before);

// Starts this program again. The child keeps `kept` open and ignores the signals that a terminal or `timeout` sends to the
// whole group: the coordinator ends it, so that its counts are complete.
int clinux_spawn_self(char *const arguments[], int kept);

#endif
