// SPDX-License-Identifier: Apache-2.0

// What is said of a file's path, from the facts of the kernel side and from where the path leads.

import CRecords
import Events
import Live
import Testing

@testable import Capture
@testable import Live

@Suite("Named files") struct NamedFileTests {
    static let file = FileID(device: 8 << 20 | 1, inode: 12)
    static let other = FileID(device: 8 << 20 | 1, inode: 13)
    static let ordinary: NamedFile.Facts = [.complete, .inVictimRoot]

    private func named(
        _ parts: [String] = ["state", "srv"], _ facts: NamedFile.Facts = ordinary, namespace: UInt32 = 1,
        magic: UInt32 = FileSystemMagic.ext
    ) -> NamedFile {
        NamedFile(
            file: Self.file, magic: magic, fileSystem: "ext4", parts: parts.flatMap { Array($0.utf8) + [0] },
            facts: facts, mountNamespace: namespace)
    }

    @Test("the parts become a path from the root, and an incomplete path shows that it is one")
    func path() {
        #expect(named().path == "/srv/state")
        #expect(named(["a file\nwith a line", "mnt"]).path == "/mnt/a file\nwith a line")
        #expect(named(["state", "srv"], []).path == "…/srv/state")
        #expect(named([]).path == "/")
    }

    @Test(
        "the state follows from the facts and from where the path leads",
        arguments: [
            (ordinary, 1, .file(file), .linked),
            (ordinary, 2, .file(file), .linked),
            // Renamed or covered since: not known.
            (ordinary, 1, .file(other), nil), (ordinary, 1, .nothing, nil), (ordinary, 1, .notKnown, nil),
            (ordinary, 2, .file(other), .otherRoot), (ordinary, 2, .nothing, .otherRoot),
            (ordinary, 2, .notKnown, nil),
            // Outside the victim's root, or a mount that is in no namespace any more.
            (.complete, 1, .nothing, .unreachable), (.complete, 1, .file(file), .linked),
            (ordinary, 0, .nothing, .unreachable), (ordinary, 0, .notKnown, nil),
            ([.complete, .inVictimRoot, .deleted], 1, .file(other), .deleted),
            ([.complete, .inVictimRoot, .notInDirectory], 1, .file(other), nil),
            (.inVictimRoot, 1, .file(file), nil),
            ([.complete, .inVictimRoot, .overlay], 2, .notKnown, .overlay),
            ([.complete, .overlay], 2, .notKnown, nil),
            ([.complete, .inVictimRoot, .overlay, .deleted], 2, .notKnown, .deleted),
        ] as [(NamedFile.Facts, UInt32, Reach, FileState?)])
    func state(facts: NamedFile.Facts, namespace: UInt32, here: Reach, expected: FileState?) {
        let file = named(["state", "srv"], facts, namespace: namespace)
        #expect(file.state(here: here, ownNamespace: 1) == expected)
    }

    @Test("a subvolume of btrfs shows another device, and the inode is enough there")
    func subvolume() {
        let shown = Reach.file(FileID(device: 99, inode: Self.file.inode))
        #expect(named(magic: FileSystemMagic.btrfs).state(here: shown, ownNamespace: 1) == .linked)
        #expect(named().state(here: shown, ownNamespace: 1) == nil)
    }

    @Test(
        "nameless memory says what it is",
        arguments: [
            ("memfd:a", "/memfd:a", .memfd), ("memfd:/dev/zero", "/memfd:/dev/zero", .memfd),
            ("SYSV0000002a", "/SYSV0000002a", .sysvShm), ("dev/zero", "/dev/zero", .sharedAnonymous),
            ("drm mm object", "/drm mm object", nil),
        ] as [(String, String, FileState?)])
    func memory(name: String, path: String, state: FileState?) {
        let file = named([name], [.complete, .isInternal, .deleted, .notInDirectory], namespace: 0)
        #expect(file.path == path)
        #expect(file.state(here: .nothing, ownNamespace: 1) == state)
    }

    @Test("a file whose name looks like special memory is an ordinary file")
    func disguised() {
        #expect(named(["memfd:a"]).state(here: .file(Self.file), ownNamespace: 1) == .linked)
        #expect(named(["zero", "dev"], [.complete, .deleted]).state(here: .nothing, ownNamespace: 1) == .deleted)
    }

    /// The bytes of a record with `text` in front of its unused rest.
    static func record(_ head: fs_name, _ text: [UInt8]) -> [UInt8] {
        var bytes = [UInt8](repeating: 0, count: NamedFile.recordBytes)
        let front = unsafe withUnsafeBytes(of: head) { unsafe Array($0) }
        bytes.replaceSubrange(..<(front.count + text.count), with: front + text)
        return bytes
    }

    @Test("a record gives its file, and one with more text than room is refused")
    func decoded() throws {
        var head = fs_name()
        (head.dev, head.inode, head.fs_magic, head.facts) = (Self.file.device, 12, 7, FS_NAME_COMPLETE)
        (head.mount_namespace, head.bytes) = (3, 8)
        head.fs_type.0 = CChar(UInt8(ascii: "x"))
        let bytes = Self.record(head, Array("srv\0mnt\0after".utf8))
        let file = try #require(unsafe bytes.withUnsafeBytes { unsafe NamedFile(record: $0) })
        #expect((file.file, file.magic, file.fileSystem) == (Self.file, 7, "x"))
        #expect((file.path, file.mountNamespace) == ("/mnt/srv", 3))
        head.bytes = UInt32(FS_NAME_LEN + FS_NAME_PART_LEN) + 1
        let damaged = Self.record(head, [])
        #expect(unsafe damaged.withUnsafeBytes { unsafe NamedFile(record: $0) } == nil)
    }

    @Test("a path leads to what it names, to nothing, or is not known")
    func reach() {
        #expect(Reach(of: "/proc/self/no such file", magic: FileSystemMagic.ext) != .file(Self.file))
        #expect(Reach(of: "/no such file, and no cache entry", magic: FileSystemMagic.ext) == .nothing)
        guard case .file = Reach(of: "/proc", magic: FileSystemMagic.ext) else {
            Issue.record("a mount point leads nowhere")
            return
        }
    }
}
