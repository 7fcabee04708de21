// SPDX-License-Identifier: Apache-2.0

// The scenarios without an observation: addresses at which no page can be pinned, or only one that the kernel refuses.
// Every call fails with EFAULT, whatever it asks for.

internal import CLinux
internal import Glibc

/// Why no page can be pinned at the victim's address.
enum FailingAddress: Equatable, Sendable {
    case unmapped
    case noPermission
    case beyondEnd
    case device
    case secret
    case poisoned
    case readOnlyAnonymous
    case noHugePage

    /// The operations of which each fails for this reason and no other.
    var operations: [Syscalls.Operation] {
        // An operation that asks for writing fails for want of permission before the kernel reads the page.
        self == .readOnlyAnonymous ? [.wake, .wait] : Syscalls.Operation.allCases
    }

    /// The memory, which has to be kept, and the address in it.
    func map(path: String) throws(SyscallError) -> FailingMemory {
        let page = Mapping.pageBytes
        switch self {
        case .unmapped:
            // Below vm.mmap_min_addr, where nothing is ever mapped.
            return FailingMemory(address: page)
        case .noPermission:
            return FailingMemory(try Mapping(try Descriptor(opening: path, flags: O_RDWR), bytes: page, .none))
        case .beyondEnd:
            let memory = try Mapping(try Descriptor(opening: path, flags: O_RDWR), bytes: 2 * page, .readWrite)
            return FailingMemory(memory, at: page)
        case .device:
            // The kernel's own page of the processor's interrupt controller or BIOS: below 1 MiB nothing is RAM that
            // CONFIG_STRICT_DEVMEM protects.
            let device = try Descriptor(opening: "/dev/mem", flags: O_RDONLY)
            return FailingMemory(try Mapping(device, bytes: page, .readOnly, at: Self.biosArea))
        case .secret:
            let file = Descriptor(owning: try Syscalls.secretFile(), subject: "secret memory")
            try file.resize(to: page)
            return FailingMemory(try Mapping(file, bytes: page, .readWrite))
        case .poisoned:
            let memory = try Mapping(try Descriptor(opening: path, flags: O_RDWR), bytes: page, .readWrite)
            _ = FutexWord(address: memory.address()).touch(writes: true)
            try memory.poison(at: 0)
            return FailingMemory(memory)
        case .readOnlyAnonymous:
            let memory = try Mapping(anonymous: page, .readWrite)
            _ = FutexWord(address: memory.address()).touch(writes: true)
            try memory.protect(.readOnly)
            return FailingMemory(memory)
        case .noHugePage:
            return try Self.mapBehindTheLastHugePage(path)
        }
    }

    /// Offset of the BIOS in physical memory.
    private static let biosArea = 0xf0000

    /// Takes every free huge page, for as long as the victim lives.
    private static func mapBehindTheLastHugePage(_ path: String) throws(SyscallError) -> FailingMemory {
        let huge = Mapping.hugePageBytes
        let count = Host.freeHugePages + 1
        let file = try Descriptor(opening: path, flags: O_RDWR)
        try file.resize(to: count * huge)
        let memory = try Mapping(withoutReserve: file, bytes: count * huge)
        for index in 0..<count {
            if !FutexWord(address: memory.address(at: index * huge)).touch(writes: true) {
                return FailingMemory(memory, at: index * huge)
            }
        }
        throw SyscallError(action: "use up the huge pages", subject: "", number: ENOMEM)
    }
}

/// Memory with the address in it at which every call fails; none where nothing is mapped there.
struct FailingMemory: ~Copyable {
    var memory: Mapping?
    let address: Int

    init(address: Int) {
        memory = nil
        self.address = address
    }

    init(_ mapping: consuming Mapping, at offset: Int = 0) {
        address = mapping.address(at: offset)
        memory = consume mapping
    }
}

extension Scenario {
    static func failure(_ cause: ProvokedCause) -> Scenario {
        switch cause {
        case .noPermission: Scenario(cause: cause, place: .directory, footing: .failing(.noPermission))
        case .beyondEndOfFile: Scenario(cause: cause, place: .directory, footing: .failing(.beyondEnd))
        case .deviceMemory: Scenario(cause: cause, place: .nowhere, footing: .failing(.device))
        case .secretMemory: Scenario(cause: cause, place: .nowhere, footing: .failing(.secret))
        case .poisoned: Scenario(cause: cause, place: .tmpfs, footing: .failing(.poisoned))
        case .readOnlyAnonymous: Scenario(cause: cause, place: .nowhere, footing: .failing(.readOnlyAnonymous))
        case .noMemory:
            Scenario(
                cause: cause, place: .hugetlb, fileBytes: Mapping.hugePageBytes, footing: .failing(.noHugePage))
        default: Scenario(cause: cause, place: .nowhere, footing: .failing(.unmapped))
        }
    }
}
