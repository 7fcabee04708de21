// SPDX-License-Identifier: Apache-2.0

// What is said of a mapped file, from the kernel's text and from what paths lead to.

import Events
import Testing

@testable import Capture

@Suite("Mapped files") struct MappedFileTests {
    static let maps = """
        55d000000000-55d000001000 r--p 00000000 08:01 77 /usr/bin/app
        7f0000000000-7f0000003000 rw-s 00002000 08:01 12                         /mnt/a file\\012with a line
        7ffc00000000-7ffc00001000 rw-p 00000000 00:00 0                          [stack]
        """
    static let file = FileID(device: 8 << 20 | 1, inode: 12)
    static let other = FileID(device: 8 << 20 | 1, inode: 13)

    @Test("the area is the one at the address, with its file, its place in it and its text")
    func area() throws {
        let area = try #require(MemoryArea(at: 0x7f00_0000_1010, maps: Self.maps))
        #expect(area.file == Self.file)
        #expect(area.text == "/mnt/a file\nwith a line")
        #expect(area.pageIndex(of: 0x7f00_0000_1010) == 3)
        #expect(area.range == 0x7f00_0000_0000..<0x7f00_0000_3000)
    }

    @Test(
        "where no file is mapped there is no area",
        arguments: [
            (0x1000, maps), (0x7ffc_0000_0000, maps), (0x7f00_0000_3000, maps), (0x1000, "nonsense\n1-2\n- - - - - -"),
            (0x1000, "1000-2000 rw-s 0 0801 12 /x"), (0x1000, "1000-2000 rw-s zz 08:01 12 /x"),
            (0x1000, "2000-1000 rw-s 0 08:01 12 /x"), (0x1000, ""),
        ] as [(UInt64, String)])
    func noArea(address: UInt64, maps: String) {
        #expect(MemoryArea(at: address, maps: maps) == nil)
    }

    private func found(
        _ text: String, links: UInt32? = 1, here: Reach = .nothing, there: Reach = .nothing, isOverlay: Bool = false,
        isMemory: Bool = false
    ) throws -> MappedFile {
        var area = try #require(MemoryArea(at: 0x1000, maps: "1000-2000 rw-s 0 08:01 12 /x"))
        area.text = text
        return MappedFile(
            area: area, mapped: links.map { FileIdentity(file: Self.file, links: $0) }, here: here, there: there,
            isOverlay: isOverlay, isMemory: isMemory)
    }

    @Test("the path leads to it from this root, or from the victim's alone")
    func linked() throws {
        #expect(try found("/x", here: .file(Self.file), there: .file(Self.file)).state == .linked)
        #expect(try found("/x", here: .file(Self.other), there: .file(Self.file)).state == .otherRoot)
        #expect(try found("/x", here: .notKnown, there: .file(Self.file)).state == .otherRoot)
        // The mapping itself may not be looked at: its numbers are in the text.
        #expect(try found("/x", links: nil, here: .file(Self.file)).state == .linked)
    }

    @Test("through an overlay, from either root")
    func overlay() throws {
        #expect(try found("/x", here: .file(Self.file), isOverlay: true).state == .overlay)
        #expect(try found("/x", there: .file(Self.file), isOverlay: true).state == .overlay)
        #expect(try found("/x (deleted)", links: 0, isOverlay: true).state == .deleted)
    }

    @Test("a deleted file has no name, whatever has its old one now")
    func deleted() throws {
        let gone = MappedFile(path: "/x", state: .deleted)
        #expect(try found("/x (deleted)", links: 0) == gone)
        #expect(try found("/x (deleted)", links: 0, here: .file(Self.other)) == gone)
        #expect(try found("/x (deleted) (deleted)", links: 0).path == "/x (deleted)")
    }

    @Test("a file that is really named so is not deleted")
    func named() throws {
        let named = MappedFile(path: "/x (deleted)", state: .linked)
        #expect(try found("/x (deleted)", here: .file(Self.file)) == named)
        // One name of several is gone, or nobody gets to it: the text does not tell which.
        #expect(try found("/x (deleted)", here: .nothing) == MappedFile(path: "/x (deleted)", state: nil))
    }

    @Test("nothing is said where a path could not be looked up")
    func unreachable() throws {
        #expect(try found("/x").state == .unreachable)
        #expect(try found("/x", here: .file(Self.other), there: .file(Self.other)).state == .unreachable)
        #expect(try found("/x", here: .notKnown).state == nil)
        #expect(try found("/x", there: .notKnown).state == nil)
        #expect(try found("/x", links: nil).state == nil)
    }

    @Test(
        "nameless memory says what it is",
        arguments: [
            ("/memfd:a (deleted)", "/memfd:a", .memfd), ("/memfd:/dev/zero (deleted)", "/memfd:/dev/zero", .memfd),
            ("/SYSV0000002a (deleted)", "/SYSV0000002a", .sysvShm),
            ("/dev/zero (deleted)", "/dev/zero", .sharedAnonymous),
            ("/drm mm object (deleted)", "/drm mm object (deleted)", nil),
        ] as [(String, String, FileState?)])
    func memory(text: String, path: String, state: FileState?) throws {
        #expect(try found(text, links: 0, isMemory: true) == MappedFile(path: path, state: state))
    }

    @Test("a file that only has such a name is none of these")
    func disguised() throws {
        #expect(try found("/memfd:a", here: .file(Self.file)).state == .linked)
        #expect(try found("/dev/zero (deleted)", links: 0).state == .deleted)
    }

    @Test("the type of the file system by its device")
    func fileSystem() {
        let mounts = "25 1 8:1 / / rw shared:1 - ext4 /dev/sda1 rw\n26 25 0:22 / /tmp rw - tmpfs tmpfs rw"
        #expect(MappedFileFinder.fileSystem(of: Self.file, mounts: mounts) == "ext4")
        #expect(MappedFileFinder.fileSystem(of: FileID(device: 22, inode: 1), mounts: mounts) == "tmpfs")
        #expect(MappedFileFinder.fileSystem(of: FileID(device: 5, inode: 1), mounts: mounts) == nil)
    }
}
