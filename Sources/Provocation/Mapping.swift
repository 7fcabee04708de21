// SPDX-License-Identifier: Apache-2.0

// Memory that the workers and the scoreboard map: pages of files, of devices, and anonymous ones, and what is done to
// them. The system calls for it are in Syscalls.swift.

internal import CLinux
internal import Glibc

/// Mapped memory, unmapped with the end of this value. Addresses leave it only as integers, or during a call on it.
@safe struct Mapping: ~Copyable, @unchecked Sendable {
    // Safe because the memory stays where and as long as it is until deinit; @unchecked because a
    // raw pointer is not Sendable, while memory that tasks share is touched by calls and atomics only.
    let start: UnsafeMutableRawPointer
    let bytes: Int

    static let pageBytes = sysconf(Int32(_SC_PAGESIZE))
    static let hugePageBytes = 2 << 20

    /// A shared mapping of a file's first bytes.
    init(_ file: borrowing Descriptor, bytes: Int, _ access: Syscalls.Access) throws(SyscallError) {
        unsafe start = try Syscalls.map(file.number, bytes: bytes, access, subject: file.subject)
        self.bytes = bytes
    }

    /// A shared mapping of one part of a device's memory.
    init(
        _ file: borrowing Descriptor, bytes: Int, _ access: Syscalls.Access, at offset: Int
    ) throws(SyscallError) {
        unsafe start = try Syscalls.map(file.number, bytes: bytes, access, subject: file.subject, from: offset)
        self.bytes = bytes
    }

    /// A shared mapping of a file of huge pages, none of which is reserved for it.
    init(withoutReserve file: borrowing Descriptor, bytes: Int) throws(SyscallError) {
        unsafe start = try Syscalls.map(
            file.number, bytes: bytes, .readWrite, subject: file.subject, further: MAP_NORESERVE)
        self.bytes = bytes
    }

    /// Private memory: zero, and the kernel's one zero page until it is written.
    init(anonymous bytes: Int, _ access: Syscalls.Access) throws(SyscallError) {
        unsafe start = try Syscalls.map(nil, bytes: bytes, access)
        self.bytes = bytes
    }

    /// A shared mapping that begins at a huge page's boundary, as huge pages need it.
    init(hugeAligned file: borrowing Descriptor, bytes: Int) throws(SyscallError) {
        let huge = Self.hugePageBytes
        let reserved = unsafe try Syscalls.map(nil, bytes: bytes + huge, .readOnly)
        // The aligned start lies less than one huge page into the reservation, so that `bytes` fit;
        // what remains of the reservation at both ends is address space only, and is left.
        let misfit = Int(bitPattern: reserved) & (huge - 1)
        let aligned = unsafe reserved + (misfit == 0 ? 0 : huge - misfit)
        unsafe start = try Syscalls.map(
            file.number, bytes: bytes, .readWrite, subject: file.subject, fixedAt: aligned)
        self.bytes = bytes
    }

    deinit { unsafe Syscalls.unmap(start, bytes: bytes) }

    /// The address of a byte, for other processes and reports.
    func address(at offset: Int = 0) -> Int {
        precondition(offset < bytes)
        return Int(bitPattern: unsafe start) + offset
    }

    func fill(with byte: UInt8) {
        // Called on writable memory of one's own only.
        unsafe start.initializeMemory(as: UInt8.self, repeating: byte, count: bytes)
    }

    /// The text's bytes, as many as fit; their count.
    func store(_ text: String) -> Int {
        let fitting = text.utf8.prefix(bytes)
        // As for `fill`; no index reaches the mapping's length.
        for (index, byte) in fitting.enumerated() {
            unsafe start.storeBytes(of: byte, toByteOffset: index, as: UInt8.self)
        }
        return fitting.count
    }

    var isZero: Bool {
        // Readable memory of that length, alive for the call.
        unsafe UnsafeRawBufferPointer(start: start, count: bytes).allSatisfy { $0 == 0 }
    }

    /// Takes the pages out of this process's page tables; the file keeps them.
    func release() throws(SyscallError) {
        // The mapping is shared, so that nothing is lost with it.
        try unsafe Syscalls.advise(start, bytes: bytes, MADV_DONTNEED, "release the mapping")
    }

    /// Changes what the mapping permits.
    func protect(_ access: Syscalls.Access) throws(SyscallError) {
        try unsafe Syscalls.protect(start, bytes: bytes, access)
    }

    func poison(at offset: Int) throws(SyscallError) {
        precondition(offset + Self.pageBytes <= bytes)
        // The page lies inside; the memory is mapped further on, a touch of it is survived.
        try unsafe Syscalls.poison(start + offset, bytes: Self.pageBytes)
    }

    func collapse(at offset: Int) throws(SyscallError) {
        precondition(offset + Self.hugePageBytes <= bytes)
        // As for `poison`; collapse keeps what is in the pages.
        try unsafe Syscalls.advise(
            start + offset, bytes: Self.hugePageBytes, CLINUX_MADV_COLLAPSE, "collapse the pages")
    }

    /// Rewrites one word in every page of the range, so that all of them are present.
    func populate(at offset: Int, bytes: Int) {
        precondition(offset + bytes <= self.bytes)
        for page in stride(from: offset, to: offset + bytes, by: Self.pageBytes) {
            _ = FutexWord(address: address(at: page)).touch(writes: true)
        }
    }
}

/// The word that the victim passes to the kernel, wherever it is.
struct FutexWord: Equatable, Sendable {
    let address: Int

    /// 0, or the error number of FUTEX_WAKE.
    func wake() -> Int32 {
        // The kernel checks the address; nothing is read or written here.
        guard let word = unsafe UnsafeMutablePointer<UInt32>(bitPattern: address) else { return EFAULT }
        return unsafe Syscalls.wakeShared(word)
    }

    /// 0, or the error number of an operation that is expected to fail.
    func operate(_ operation: Syscalls.Operation) -> Int32 {
        // As for `wake`; the address may be one that nothing is mapped at.
        unsafe Syscalls.operate(operation, on: UnsafeMutablePointer<UInt32>(bitPattern: address))
    }

    /// False if that raised SIGBUS.  The word must be in memory that is mapped for such access.
    func touch(writes: Bool) -> Bool {
        // Scenarios make words only from mappings that the same closure keeps alive.
        guard let word = unsafe UnsafeMutablePointer<UInt32>(bitPattern: address) else { return false }
        return unsafe Syscalls.touch(word, writes: writes)
    }
}
