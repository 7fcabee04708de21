// SPDX-License-Identifier: Apache-2.0

// All C calls of this module. A result of -1 becomes a `SyscallError` here. Pointers are made here and live for one call,
// except addresses of mappings, which `Mapping` owns. No decisions are made here.

internal import CLinux
internal import Glibc
internal import System

/// The system calls, each named for what it does.
enum Syscalls {
    /// The number of an open file; `Descriptor` owns it.
    typealias FileNumber = Int32

    struct FileFacts: Equatable {
        var isDirectory: Bool
        var isBlockDevice: Bool
        /// "MAJ:MIN" of the file system, and of the device itself where the file is one.
        var fileSystem: String
        var device: String
        var inode: UInt64
        /// The device number as the kernel keeps it, which is its inode in the block device's own
        /// file system.
        var deviceInode: UInt64
    }

    enum Access { case none, readOnly, readWrite }

    /// What a victim asks for where every operation fails.
    enum Operation: CaseIterable, Sendable {
        case wake, wait
        /// Asks for writing, unlike the others.
        case tryLockPI
    }

    fileprivate static func check<Result: SignedInteger>(
        _ action: String, _ subject: String = "", _ result: Result
    ) throws(SyscallError) -> Result {
        // errno is read before anything else can run and change it.
        guard result < 0 else { return result }
        throw SyscallError(action: action, subject: subject, number: errno)
    }

    // MARK: Files

    static func open(_ path: String, flags: Int32, mode: UInt32 = 0o600) throws(SyscallError) -> FileNumber {
        // The path's C string lives for the call.
        try check("open", path, unsafe clinux_open(path, flags | O_CLOEXEC, mode))
    }

    static func close(_ file: FileNumber) { _ = Glibc.close(file) }

    static func unlink(_ path: String) throws(SyscallError) {
        _ = try check("remove", path, unsafe Glibc.unlink(path))
    }

    static func facts(of path: String) throws(SyscallError) -> FileFacts {
        // stat fills the whole structure, which is read only if it says so.
        var s = stat()
        _ = try check("look at", path, unsafe stat(path, &s))
        let raw = (mode: s.st_mode, dev: UInt64(s.st_dev), rdev: UInt64(s.st_rdev), ino: UInt64(s.st_ino))
        let name = { (device: UInt64) in "\(clinux_major(device)):\(clinux_minor(device))" }
        return FileFacts(
            isDirectory: clinux_is_directory(raw.mode) != 0,
            isBlockDevice: clinux_is_block_device(raw.mode) != 0,
            fileSystem: name(raw.dev), device: name(raw.rdev), inode: raw.ino,
            deviceInode: UInt64(clinux_major(raw.rdev)) << 20 | UInt64(clinux_minor(raw.rdev)))
    }

    /// The file system's magic number; 0 where it is unknown.
    static func fileSystemMagic(of path: String) -> UInt64 { unsafe clinux_fs_magic(path) }

    /// A memory file on hugetlbfs with 2 MiB pages.
    static func hugeMemoryFile(_ name: String) throws(SyscallError) -> FileNumber {
        try check("create a huge page file (memfd_create)", "", unsafe clinux_memory_file(name, 1))
    }

    static func secretFile() throws(SyscallError) -> FileNumber {
        try check("create secret memory (memfd_secret)", "", clinux_secret_file())
    }

    static func memoryFile(_ name: String) throws(SyscallError) -> FileNumber {
        try check("create shared memory (memfd_create)", "", unsafe clinux_memory_file(name, 0))
    }

    // MARK: Mappings

    /// A file's first bytes, shared, or private memory.
    static func map(
        _ file: FileNumber?, bytes: Int, _ access: Access, subject: String = "private memory",
        fixedAt address: UnsafeMutableRawPointer? = nil, from offset: Int = 0, further: Int32 = 0
    ) throws(SyscallError) -> UnsafeMutableRawPointer {
        let protection = protection(access)
        var flags = file == nil ? MAP_PRIVATE | MAP_ANONYMOUS : MAP_SHARED
        if unsafe address != nil { flags |= MAP_FIXED }
        flags |= further
        // MAP_FIXED replaces only what `Mapping` has reserved at that address.
        let result = unsafe mmap(address, bytes, protection, flags, file ?? -1, offset)
        guard unsafe clinux_mmap_failed(result) == 0, let start = unsafe result else {
            throw SyscallError(action: "map \(bytes) bytes of", subject: subject, number: errno)
        }
        return unsafe start
    }

    private static func protection(_ access: Access) -> Int32 {
        switch access {
        case .none: PROT_NONE
        case .readOnly: PROT_READ
        case .readWrite: PROT_READ | PROT_WRITE
        }
    }

    /// Changes what a mapping permits.
    static func protect(_ start: UnsafeMutableRawPointer, bytes: Int, _ access: Access) throws(SyscallError) {
        // The range is that of a live `Mapping`.
        _ = try check(
            "change the access to a mapping (mprotect)", "", unsafe mprotect(start, bytes, protection(access)))
    }

    static func unmap(_ start: UnsafeMutableRawPointer, bytes: Int) {
        // `Mapping` calls this once, with what `map` gave.
        _ = unsafe munmap(start, bytes)
    }

    static func advise(_ start: UnsafeMutableRawPointer, bytes: Int, _ advice: Int32, _ action: String)
        throws(SyscallError)
    {
        // The range lies within a live `Mapping`; the advice is one that keeps it mapped.
        _ = try check("\(action) (madvise)", "", unsafe madvise(start, bytes, advice))
    }

    static func poison(_ start: UnsafeMutableRawPointer, bytes: Int) throws(SyscallError) {
        // As for `advise`: a poisoned page stays mapped, and a touch of it raises SIGBUS.
        _ = try check("poison the page (madvise)", "", unsafe clinux_poison(start, bytes))
    }

    /// Asks that one page of another process moves to `node`.
    static func movePage(of process: Int32, address: Int, to node: Int32) throws(SyscallError) {
        var status: Int32 = 0
        // As for `pageOut`; `status` is one word, as the count of one page asks.
        let start = unsafe UnsafeMutableRawPointer(bitPattern: address)
        let done = unsafe clinux_move_page(process, start, node, &status)
        _ = try check("move the victim's page (move_pages)", "", done)
        if status < 0 {
            throw SyscallError(action: "move the victim's page (move_pages)", subject: "", number: -status)
        }
    }

    // MARK: The futex

    /// Wakes nobody on a shared futex: 0, or the error number.
    static func wakeShared(_ word: UnsafeMutablePointer<UInt32>) -> Int32 {
        // The kernel checks the address; nothing is written through it.
        unsafe clinux_futex_wake_shared(word) < 0 ? errno : 0
    }

    /// 0, or the error number of an operation on a shared futex that is expected to fail.
    static func operate(_ operation: Operation, on word: UnsafeMutablePointer<UInt32>?) -> Int32 {
        let command =
            switch operation {
            case .wake: CLINUX_FUTEX_WAKE
            case .wait: CLINUX_FUTEX_WAIT
            case .tryLockPI: CLINUX_FUTEX_TRYLOCK_PI
            }
        // The kernel checks the address; the operation fails before anything is written through it.
        return unsafe clinux_futex_shared(word, command) < 0 ? errno : 0
    }

    /// Reads, or rewrites, the word; false if the page is beyond the end of its file or poisoned.
    static func touch(_ word: UnsafeMutablePointer<UInt32>, writes: Bool) -> Bool {
        // The word is aligned and mapped with the access asked for; SIGBUS is survived in C.
        unsafe clinux_touch(word, writes ? 1 : 0) == 0
    }

    // MARK: Pages without a mapping

    /// Where the vDSO begins, 0 if there is none; only an address, nothing is read there.
    static var vdso: Int { Int(bitPattern: unsafe clinux_vdso()) }
    static func packetRing(bytes: Int) throws(SyscallError) -> FileNumber {
        try check("make a packet ring", "", clinux_packet_ring(UInt32(bytes)))
    }
    static func mappableArray(bytes: Int) throws(SyscallError) -> FileNumber {
        try check("make a BPF array", "", clinux_bpf_mmapable_array(UInt32(bytes)))
    }
    static func ioUring() throws(SyscallError) -> FileNumber {
        try check("make an io_uring", "", clinux_io_uring())
    }

    // MARK: Processes and time

    static var processId: Int32 { getpid() }
    static var threadId: Int32 { clinux_gettid() }
    static var parentId: Int32 { getppid() }

    static func name(_ name: String) { _ = unsafe clinux_set_name(name) }
    static func dieWithParent() { _ = clinux_die_with_parent() }

    static func lastAllowedCPU() throws(SyscallError) -> Int32 {
        try check("ask for the CPUs", "", clinux_last_allowed_cpu())
    }
    static func pin(to cpu: Int32) throws(SyscallError) { _ = try check("run on CPU \(cpu)", "", clinux_pin(cpu)) }
    static func realTime(priority: Int32) throws(SyscallError) {
        _ = try check("become SCHED_FIFO", "", clinux_real_time(priority))
    }

    static func nap(nanoseconds: Int64) { _ = clinux_nap(nanoseconds) }
    /// CLOCK_MONOTONIC in nanoseconds, which all processes share.
    static var now: Int64 { Int64(Clock.monotonicNs) }

    static func processDescriptor(_ pid: Int32) throws(SyscallError) -> FileNumber {
        try check("open the victim (pidfd_open)", "", clinux_pidfd_open(pid))
    }

    /// Starts this program again with `arguments`, `kept` open in it; its pid.
    static func spawnSelf(_ arguments: [String], keeping kept: FileNumber) throws(SyscallError) -> Int32 {
        // Each string is duplicated, the vector ends with nil, and all live until the call is over.
        var vector = unsafe arguments.map { unsafe strdup($0) }
        unsafe vector.append(nil)
        defer { for index in unsafe vector.indices { unsafe free(vector[index]) } }
        return try check("start /proc/self/exe", "", unsafe clinux_spawn_self(&vector, kept))
    }

    struct Ending: Equatable {
        var pid: Int32
        /// The signal that killed it, or 0.
        var signal: Int32
        var code: Int32
        /// Page faults that had to read from a disk or from swap.
        var majorFaults: Int
    }

    /// A child that has ended; nil if none has.
    static func ending(of pid: Int32) throws(SyscallError) -> Ending? {
        var status: Int32 = 0
        var usage = rusage()
        // Both are filled by the call that says it has found a child.
        guard try check("wait for a child", "", unsafe wait4(pid, &status, WNOHANG, &usage)) > 0 else { return nil }
        return Ending(
            pid: pid, signal: clinux_killed_by(status), code: clinux_exited(status), majorFaults: usage.ru_majflt)
    }

    static func kill(_ pid: Int32) { _ = Glibc.kill(pid, SIGKILL) }

    /// Runs `body` while SIGINT, SIGTERM, SIGHUP and SIGCHLD wait for `waitForSignal`.
    static func holdingSignals<Result: ~Copyable>(
        _ body: () throws(ProvocationError) -> Result
    ) throws(ProvocationError) -> Result {
        // The set is filled by the first call and only read by the second.
        var before = sigset_t()
        _ = unsafe clinux_block_signals(&before)
        defer { _ = unsafe clinux_restore_signals(&before) }
        return try body()
    }

    /// The signal that came within the time, or nil.
    static func waitForSignal(nanoseconds: Int64) -> Int32? {
        let signal = clinux_wait_for_signal(nanoseconds)
        return signal > 0 ? signal : nil
    }
}

/// Operations on an open file; errors name its path.
extension Descriptor {
    private func check<Result: SignedInteger>(_ action: String, _ result: Result) throws(SyscallError) -> Result {
        try Syscalls.check(action, subject, result)
    }

    func resize(to bytes: Int) throws(SyscallError) { _ = try check("resize", ftruncate(number, bytes)) }

    func synchronize() throws(SyscallError) { _ = try check("write to its disk (fsync)", fsync(number)) }

    func punchHole(at offset: Int, bytes: Int) throws(SyscallError) {
        _ = try check("punch a hole (fallocate) in", clinux_punch_hole(number, Int64(offset), Int64(bytes)))
    }

    /// Drops the clean, unmapped pages from the page cache.
    func forget() throws(SyscallError) {
        // posix_fadvise returns its error instead of setting errno.
        let failure = posix_fadvise(number, 0, 0, POSIX_FADV_DONTNEED)
        if failure != 0 {
            throw SyscallError(action: "drop from the cache (fadvise)", subject: subject, number: failure)
        }
    }

    func read(into bytes: UnsafeMutableRawBufferPointer, at offset: Int) throws(SyscallError) -> Int {
        // The caller's buffer outlives the call and is as long as it says.
        try check("read", unsafe pread(number, bytes.baseAddress, bytes.count, offset))
    }

    func write(_ bytes: UnsafeRawBufferPointer, at offset: Int) throws(SyscallError) -> Int {
        // As for `read`.
        try check("write to", unsafe pwrite(number, bytes.baseAddress, bytes.count, offset))
    }

    /// Where the file's own position is; for files that have no other.
    func write(_ bytes: UnsafeRawBufferPointer) throws(SyscallError) -> Int {
        // As for `read`.
        try check("write to", unsafe Glibc.write(number, bytes.baseAddress, bytes.count))
    }

    // MARK: Block devices

    func zeroOut(at offset: Int, bytes: Int) throws(SyscallError) {
        _ = try check("zero out (BLKZEROOUT)", clinux_zero_out(number, UInt64(offset), UInt64(bytes)))
    }

    /// Of /dev/loop-control: the number of a loop device that is free at this moment.
    func freeLoop() throws(SyscallError) -> Int32 {
        try check("find a free loop device by", clinux_loop_get_free(number))
    }

    func attach(_ file: borrowing Descriptor) throws(SyscallError) {
        _ = try check("attach a file to", clinux_loop_attach(number, file.number))
    }

    func detach() throws(SyscallError) { _ = try check("detach the file from", clinux_loop_detach(number)) }

    // MARK: Another process

    /// Of a process (pidfd): asks that the page at its address is paged out.
    func pageOut(address: Int, bytes: Int) throws(SyscallError) {
        // The address is the other process's; the kernel checks it there.
        let start = unsafe UnsafeMutableRawPointer(bitPattern: address)
        let done = unsafe clinux_process_madvise(number, start, bytes, CLINUX_MADV_PAGEOUT)
        _ = try check("page out (process_madvise) a page of", done)
    }
}
