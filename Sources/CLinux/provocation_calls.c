// SPDX-License-Identifier: Apache-2.0
// The calls that provocation_calls.h declares, each as short as C lets it be.
#define _GNU_SOURCE
#include "provocation_calls.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/bpf.h>
#include <linux/fs.h>
#include <linux/futex.h>
#include <linux/if_packet.h>
#include <linux/io_uring.h>
#include <linux/loop.h>
#include <linux/memfd.h>
#include <linux/mempolicy.h>
#include <sched.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/uio.h>
#include <sys/vfs.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

const int clinux_o_direct = O_DIRECT;

long clinux_futex_wake_shared(uint32_t *address)
{
	return syscall(SYS_futex, address, FUTEX_WAKE, 1, NULL, NULL, 0);
}

long clinux_futex_shared(uint32_t *address, int command)
{
	return syscall(SYS_futex, address, command, 1, NULL, NULL, 0);
}

long clinux_futex_wake_op(uint32_t *first, uint32_t *second, int is_private)
{
	return syscall(SYS_futex, first, FUTEX_WAKE_OP | (is_private ? FUTEX_PRIVATE_FLAG : 0), 1,
		       1L, second, FUTEX_OP(FUTEX_OP_ADD, 0, FUTEX_OP_CMP_EQ, 1));
}

int clinux_secret_file(void)
{
	// SYS_memfd_secret on every architecture; headers of 2022 may lack it.
	return (int)syscall(447, O_CLOEXEC);
}

int clinux_open(const char *path, int flags, unsigned mode)
{
	return open(path, flags, (mode_t)mode);
}

int clinux_memory_file(const char *name, int huge)
{
	return memfd_create(name, MFD_CLOEXEC | (huge ? MFD_HUGETLB | MFD_HUGE_2MB : 0));
}

int clinux_unnamed_file(const char *directory)
{
	return open(directory, O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
}

long clinux_hold_page(int pipe, void *address)
{
	struct iovec part = { address, 1 };
	return vmsplice(pipe, &part, 1, SPLICE_F_NONBLOCK);
}

int clinux_gettid(void)
{
	return (int)syscall(SYS_gettid);
}

int clinux_set_name(const char *name)
{
	return prctl(PR_SET_NAME, name, 0, 0, 0);
}

int clinux_die_with_parent(void)
{
	return prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0);
}

int clinux_punch_hole(int fd, int64_t offset, int64_t length)
{
	return fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, offset, length);
}

uint64_t clinux_fs_magic(const char *path)
{
	struct statfs s;
	return statfs(path, &s) == 0 ? (uint64_t)s.f_type : 0;
}

unsigned clinux_major(uint64_t device)
{
	return gnu_dev_major(device);
}

unsigned clinux_minor(uint64_t device)
{
	return gnu_dev_minor(device);
}

int clinux_is_directory(unsigned mode)
{
	return S_ISDIR(mode);
}

int clinux_is_block_device(unsigned mode)
{
	return S_ISBLK(mode);
}

int clinux_last_allowed_cpu(void)
{
	cpu_set_t set;
	if (sched_getaffinity(0, sizeof set, &set) != 0)
		return -1;
	for (int cpu = CPU_SETSIZE - 1; cpu >= 0; cpu--)
		if (CPU_ISSET(cpu, &set))
			return cpu;
	errno = ESRCH;
	return -1;
}

int clinux_pin(int cpu)
{
	cpu_set_t set;
	CPU_ZERO(&set);
	CPU_SET(cpu, &set);
	return sched_setaffinity(0, sizeof set, &set);
}

int clinux_real_time(int priority)
{
	struct sched_param param = { .sched_priority = priority };
	return sched_setscheduler(0, SCHED_FIFO, &param);
}

int clinux_exited(int status)
{
	return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

int clinux_killed_by(int status)
{
	return WIFSIGNALED(status) ? WTERMSIG(status) : 0;
}

void *clinux_vdso(void)
{
	return (void *)getauxval(AT_SYSINFO_EHDR);
}

int clinux_mmap_failed(const void *address)
{
	return address == MAP_FAILED;
}

int clinux_zero_out(int fd, uint64_t offset, uint64_t length)
{
	uint64_t range[2] = { offset, length };
	return ioctl(fd, BLKZEROOUT, range);
}

int clinux_loop_get_free(int control)
{
	return ioctl(control, LOOP_CTL_GET_FREE);
}

int clinux_loop_attach(int loop, int file)
{
	return ioctl(loop, LOOP_SET_FD, file);
}

int clinux_loop_detach(int loop)
{
	return ioctl(loop, LOOP_CLR_FD);
}

int clinux_packet_ring(uint32_t bytes)
{
	int fd = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, 0); // protocol 0: it receives nothing
	if (fd < 0)
		return -1;
	struct tpacket_req ring = { .tp_block_size = bytes,
				    .tp_block_nr = 1,
				    .tp_frame_size = 2048,
				    .tp_frame_nr = bytes / 2048 };
	if (setsockopt(fd, SOL_PACKET, PACKET_RX_RING, &ring, sizeof ring) != 0) {
		int failure = errno;
		close(fd);
		errno = failure;
		return -1;
	}
	return fd;
}

int clinux_bpf_mmapable_array(uint32_t bytes)
{
	union bpf_attr attr;
	memset(&attr, 0, sizeof attr);
	attr.map_type = BPF_MAP_TYPE_ARRAY;
	attr.key_size = 4;
	attr.value_size = bytes;
	attr.max_entries = 1;
	attr.map_flags = BPF_F_MMAPABLE;
	return (int)syscall(SYS_bpf, BPF_MAP_CREATE, &attr, sizeof attr);
}

int clinux_io_uring(void)
{
	struct io_uring_params params;
	memset(&params, 0, sizeof params);
	return (int)syscall(SYS_io_uring_setup, 8, &params);
}

int clinux_pidfd_open(int pid)
{
	return (int)syscall(SYS_pidfd_open, pid, 0);
}

long clinux_process_madvise(int pidfd, void *address, size_t length, int advice)
{
	struct iovec range = { .iov_base = address, .iov_len = length };
	return syscall(SYS_process_madvise, pidfd, &range, 1UL, advice, 0U);
}

long clinux_move_page(int pid, void *address, int node, int *status)
{
	return syscall(SYS_move_pages, pid, 1UL, &address, &node, status, MPOL_MF_MOVE);
}

int clinux_nap(int64_t ns)
{
	struct timespec duration = { .tv_sec = ns / 1000000000, .tv_nsec = ns % 1000000000 };
	return clock_nanosleep(CLOCK_MONOTONIC, 0, &duration, NULL);
}

static sigset_t awaited(void)
{
	sigset_t set;
	sigemptyset(&set);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGHUP);
	sigaddset(&set, SIGCHLD);
	return set;
}

int clinux_block_signals(sigset_t *before)
{
	sigset_t set = awaited();
	return sigprocmask(SIG_BLOCK, &set, before);
}

int clinux_wait_for_signal(int64_t ns)
{
	sigset_t set = awaited();
	struct timespec limit = { .tv_sec = ns / 1000000000, .tv_nsec = ns % 1000000000 };
	return sigtimedwait(&set, NULL, &limit);
}

int clinux_restore_signals(const sigset_t *before)
{
	return sigprocmask(SIG_SETMASK, before, NULL);
}
