// The system calls of the workloads behind `provoke` that Swift cannot import: variadic ones,
// ioctls whose numbers are function-like macros, and structs with unions.  Every function is the
// bare call: -1 and errno on failure, nothing is decided here.
#ifndef FUTEXSCOPE_PROVOCATION_CALLS_H
#define FUTEXSCOPE_PROVOCATION_CALLS_H

#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif

#include <errno.h>
#include <fcntl.h>
#include <linux/bpf.h>
#include <linux/fs.h>
#include <linux/futex.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <linux/io_uring.h>
#include <linux/loop.h>
#include <sched.h>
#include <signal.h>
#include <stdint.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/vfs.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

// Values that this build's headers may not have yet; the kernel says EINVAL if it has not either.
static const int CLINUX_O_DIRECT = O_DIRECT;
static const int CLINUX_MADV_PAGEOUT = 21;
static const int CLINUX_MADV_COLLAPSE = 25;
static const int CLINUX_MADV_HWPOISON = 100;
static const unsigned CLINUX_MFD_HUGE_2MB = 21U << 26;
static const int CLINUX_MPOL_MF_MOVE = 2;

// Reads, or rewrites, the word at `address` as an application does.  0, or -1 when that raised
// SIGBUS (the page is beyond the end of its file, or poisoned).  See touch.c.
int clinux_touch(volatile uint32_t *address, int writes);

// FUTEX_WAKE of nobody on a futex that processes share: how many were woken, or -1.
static inline long clinux_futex_wake_shared(uint32_t *address) {
    return syscall(SYS_futex, address, FUTEX_WAKE, 1, NULL, NULL, 0);
}

static inline int clinux_open(const char *path, int flags, unsigned mode) {
    return open(path, flags, (mode_t)mode);
}

static inline int clinux_gettid(void) { return (int)syscall(SYS_gettid); }

// Names the calling task and asks that it does not outlive the task that started it.
static inline int clinux_set_name(const char *name) { return prctl(PR_SET_NAME, name, 0, 0, 0); }
static inline int clinux_die_with_parent(void) { return prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0); }

static inline int clinux_punch_hole(int fd, int64_t offset, int64_t length) {
    return fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, offset, length);
}

// What kind of file system holds `path`: its magic number, 0 on failure.
static inline uint64_t clinux_fs_magic(const char *path) {
    struct statfs s;
    return statfs(path, &s) == 0 ? (uint64_t)s.f_type : 0;
}

static inline unsigned clinux_major(uint64_t device) { return gnu_dev_major(device); }
static inline unsigned clinux_minor(uint64_t device) { return gnu_dev_minor(device); }
static inline int clinux_is_directory(unsigned mode) { return S_ISDIR(mode); }
static inline int clinux_is_block_device(unsigned mode) { return S_ISBLK(mode); }

// The highest CPU that the caller may run on, or -1; and the caller onto that CPU alone.
static inline int clinux_last_allowed_cpu(void) {
    cpu_set_t set;
    if (sched_getaffinity(0, sizeof set, &set) != 0) return -1;
    for (int cpu = CPU_SETSIZE - 1; cpu >= 0; cpu--)
        if (CPU_ISSET(cpu, &set)) return cpu;
    errno = ESRCH;
    return -1;
}
static inline int clinux_pin(int cpu) {
    cpu_set_t set;
    CPU_ZERO(&set);
    CPU_SET(cpu, &set);
    return sched_setaffinity(0, sizeof set, &set);
}
static inline int clinux_real_time(int priority) {
    struct sched_param param = {.sched_priority = priority};
    return sched_setscheduler(0, SCHED_FIFO, &param);
}

static inline int clinux_exited(int status) { return WIFEXITED(status) ? WEXITSTATUS(status) : -1; }
static inline int clinux_killed_by(int status) { return WIFSIGNALED(status) ? WTERMSIG(status) : 0; }

static inline void *clinux_vdso(void) { return (void *)getauxval(AT_SYSINFO_EHDR); }
static inline int clinux_mmap_failed(const void *address) { return address == MAP_FAILED; }

// Block devices.
static inline int clinux_zero_out(int fd, uint64_t offset, uint64_t length) {
    uint64_t range[2] = {offset, length};
    return ioctl(fd, BLKZEROOUT, range);
}
static inline int clinux_loop_get_free(int control) { return ioctl(control, LOOP_CTL_GET_FREE); }
// LOOP_SET_FD rather than LOOP_CONFIGURE: the latter is of Linux 5.8 and does nothing more here.
static inline int clinux_loop_attach(int loop, int file) { return ioctl(loop, LOOP_SET_FD, file); }
static inline int clinux_loop_detach(int loop) { return ioctl(loop, LOOP_CLR_FD); }

// Pages that a driver inserts into the mapping: the descriptor to map, at offset 0.
static inline int clinux_packet_ring(uint32_t bytes) {
    int fd = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, 0); // protocol 0: it receives nothing
    if (fd < 0) return -1;
    struct tpacket_req ring = {
        .tp_block_size = bytes, .tp_block_nr = 1, .tp_frame_size = 2048, .tp_frame_nr = bytes / 2048};
    if (setsockopt(fd, SOL_PACKET, PACKET_RX_RING, &ring, sizeof ring) != 0) {
        int failure = errno;
        close(fd);
        errno = failure;
        return -1;
    }
    return fd;
}
static inline int clinux_bpf_mmapable_array(uint32_t bytes) {
    union bpf_attr attr;
    memset(&attr, 0, sizeof attr);
    attr.map_type = BPF_MAP_TYPE_ARRAY;
    attr.key_size = 4;
    attr.value_size = bytes;
    attr.max_entries = 1;
    attr.map_flags = BPF_F_MMAPABLE;
    return (int)syscall(SYS_bpf, BPF_MAP_CREATE, &attr, sizeof attr);
}
static inline int clinux_io_uring(void) {
    struct io_uring_params params;
    memset(&params, 0, sizeof params);
    return (int)syscall(SYS_io_uring_setup, 8, &params);
}

// Memory of another process.
static inline int clinux_pidfd_open(int pid) { return (int)syscall(SYS_pidfd_open, pid, 0); }
static inline long clinux_process_madvise(int pidfd, void *address, size_t length, int advice) {
    struct iovec range = {.iov_base = address, .iov_len = length};
    return syscall(SYS_process_madvise, pidfd, &range, 1UL, advice, 0U);
}
// The page's node afterwards or a negative errno in `*status`.
static inline long clinux_move_page(int pid, void *address, int node, int *status) {
    return syscall(SYS_move_pages, pid, 1UL, &address, &node, status, CLINUX_MPOL_MF_MOVE);
}

static inline int clinux_nap(int64_t ns) {
    struct timespec duration = {.tv_sec = ns / 1000000000, .tv_nsec = ns % 1000000000};
    return clock_nanosleep(CLOCK_MONOTONIC, 0, &duration, NULL);
}
static inline int64_t clinux_now_ns(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return now.tv_sec * 1000000000LL + now.tv_nsec;
}

// Signals the coordinator waits for; blocked while it runs, so that none is lost between looks.
static inline int clinux_block_signals(sigset_t *before) {
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGINT);
    sigaddset(&set, SIGTERM);
    sigaddset(&set, SIGHUP);
    sigaddset(&set, SIGCHLD);
    return sigprocmask(SIG_BLOCK, &set, before);
}
// The signal that came, or -1 with EAGAIN when `ns` have passed.
static inline int clinux_wait_for_signal(int64_t ns) {
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGINT);
    sigaddset(&set, SIGTERM);
    sigaddset(&set, SIGHUP);
    sigaddset(&set, SIGCHLD);
    struct timespec limit = {.tv_sec = ns / 1000000000, .tv_nsec = ns % 1000000000};
    return sigtimedwait(&set, NULL, &limit);
}
static inline int clinux_restore_signals(const sigset_t *before) {
    return sigprocmask(SIG_SETMASK, before, NULL);
}

// Starts this very program again.  The child keeps `kept` open and does not take the signals that
// a terminal or `timeout` sends to a whole group: the coordinator ends it, so that it can still
// hand in its counts.
int clinux_spawn_self(char *const arguments[], int kept);

#endif
