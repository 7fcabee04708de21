// SPDX-License-Identifier: Apache-2.0

// Where a scenario's file lies, and the file itself: created new in a directory that suits the scenario, and removed
// with the end of its value.

import Events
internal import Glibc

/// A directory that suits a scenario: that of --path, or /dev/shm where that suits.
struct Directory: Equatable {
    let path: String

    private static let standard = "/dev/shm"

    init(_ named: String?, for scenario: Scenario) throws(ProvocationError) {
        let expected = Self.expectation(of: scenario.place)
        guard let path = named ?? (scenario.place == .disk ? nil : Self.standard) else {
            throw .needsPath(scenario.cause, expected)
        }
        guard let facts = try? Syscalls.facts(of: path) else {
            throw .wrongPath(path, found: "not there", expected: expected)
        }
        guard facts.isDirectory else {
            throw .wrongPath(path, found: "not a directory", expected: expected)
        }
        let magic = UInt32(truncatingIfNeeded: Syscalls.fileSystemMagic(of: path))
        let suits =
            switch scenario.place {
            case .tmpfs: magic == FileSystemMagic.tmpfs
            case .hugetlb: magic == FileSystemMagic.hugetlbfs
            case .disk: ![FileSystemMagic.tmpfs, FileSystemMagic.ramfs, FileSystemMagic.hugetlbfs].contains(magic)
            case .nowhere, .directory, .blockDevice: magic != FileSystemMagic.hugetlbfs
            }
        guard suits else {
            let kind = "0x" + String(magic, radix: 16)
            throw .wrongPath(path, found: "on another kind of file system (\(kind))", expected: expected)
        }
        self.path = path
    }

    private static func expectation(of place: Scenario.Place) -> String {
        switch place {
        case .tmpfs: "an existing directory on tmpfs"
        case .hugetlb: "an existing directory on hugetlbfs"
        case .disk: "an existing directory on a disk file system, such as ext4 or XFS"
        case .nowhere, .directory: "an existing directory"
        case .blockDevice: "an existing directory, or an unused block device"
        }
    }
}

/// The one file that a run creates, with a name that shows its origin, and removes again.
struct NewFile: ~Copyable {
    let path: String
    let facts: Syscalls.FileFacts
    let descriptor: Descriptor

    init(in directory: Directory, for scenario: Scenario) throws(ProvocationError) {
        let separator = directory.path.hasSuffix("/") ? "" : "/"
        let path = "\(directory.path)\(separator)futexscope-provoke-\(Syscalls.processId)"
        let file: Descriptor
        do {
            file = try Descriptor(creating: path)
        } catch {
            throw error.number == EEXIST ? .exists(path) : ProvocationError(error, in: scenario.cause)
        }
        let facts: Syscalls.FileFacts
        do {
            facts = try Syscalls.facts(of: path)
            try Self.fill(file, for: scenario)
        } catch {
            // deinit does not run for a value that was never complete.
            try? Syscalls.unlink(path)
            throw ProvocationError(error, in: scenario.cause)
        }
        self.path = path
        self.facts = facts
        descriptor = consume file
    }

    deinit {
        // Only if it is still the file that was created: another task may have put a file in its place.
        if let now = try? Syscalls.facts(of: path), now.inode == facts.inode, now.fileSystem == facts.fileSystem {
            try? Syscalls.unlink(path)
        }
    }

    /// A file on a disk gets blocks there, so that its pages are clean and can be read again. Of any other file the first
    /// page suffices, and the file behind a loop device stays sparse. No page stays zero, because swap does not write a
    /// page of zeros.
    private static func fill(_ file: borrowing Descriptor, for scenario: Scenario) throws(SyscallError) {
        let bytes = scenario.place == .blockDevice ? HeldDevice.bytes : scenario.fileBytes
        try file.resize(to: bytes)
        // hugetlbfs cannot be written to, and a device's first page must be zero.
        guard scenario.place != .blockDevice, scenario.place != .hugetlb else { return }
        let filled = scenario.place == .disk ? bytes : Mapping.pageBytes
        let block = try Mapping(anonymous: min(filled, 1 << 20), .readWrite)
        block.fill(with: 0x55)
        for offset in stride(from: 0, to: filled, by: block.bytes) { try file.write(block, at: offset) }
        if scenario.place == .disk { try file.synchronize() }
    }
}
