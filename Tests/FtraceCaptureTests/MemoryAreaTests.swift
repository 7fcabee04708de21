// SPDX-License-Identifier: Apache-2.0

// What a line of /proc/PID/maps says, whatever its path has in it.

import Events
import Testing

@testable import FtraceCapture

@Suite("Mapped areas") struct MemoryAreaTests {
    private static let maps = """
        7f0000000000-7f0000002000 rw-s 00003000 08:01 77 /data/a b\\012c (deleted)
        7f0000002000-7f0000003000 rw-p 00000000 00:00 0 [heap]
        7f0000003000-7f0000004000 rw-s 00000000 08:02 77 /other
        """
    private static let file = FileID(device: 8 << 20 | 1, inode: 77)

    @Test("the area of a page of a file") func found() throws {
        let area = try #require(MemoryArea.of(Self.file, page: 4, maps: Self.maps))
        #expect(area.text == "/data/a b\nc (deleted)")
        #expect(area.pages == 3..<5)
        #expect(MemoryArea.of(Self.file, page: 5, maps: Self.maps) == nil)
        #expect(MemoryArea.of(FileID(device: 8 << 20 | 2, inode: 77), page: 0, maps: Self.maps)?.text == "/other")
        #expect(MemoryArea.of(FileID(device: 0, inode: 0), page: 0, maps: Self.maps) == nil)
    }

    @Test("what is no area of a file", arguments: ["", "x", "1-2 r 0 0", "2000-1000 r 0 8:1 7 /x", "1-2 r 0 8 7 /x"])
    func none(line: String) { #expect(MemoryArea(line: line) == nil) }

    @Test("the file system on a device") func fileSystem() {
        let mounts = "22 1 8:1 / / rw,relatime shared:1 - ext4 /dev/sda1 rw\n23 22 0:5 / /tmp rw - tmpfs none rw"
        #expect(FileNames.fileSystem(of: Self.file, mounts: mounts) == "ext4")
        #expect(FileNames.fileSystem(of: FileID(device: 5, inode: 1), mounts: mounts) == "tmpfs")
        #expect(FileNames.fileSystem(of: FileID(device: 9, inode: 1), mounts: mounts) == nil)
    }
}
