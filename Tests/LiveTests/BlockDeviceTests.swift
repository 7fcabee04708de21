// SPDX-License-Identifier: Apache-2.0

import Events
import Testing

@testable import Live

/// Pages of a block device itself are in a page cache that no path leads to.
@Suite("Names of block devices") struct BlockDeviceTests {
    private static func detach(magic: UInt32, inode: UInt64) -> Detach {
        Detach(
            time: 1, page: PageID(rawValue: 1), culprit: TaskIdentity(pid: 1, tid: 1, comm: Comm("dd")),
            file: FileID(device: 3, inode: inode), magic: magic, index: 0, fileSize: 4096, pages: 1, references: 3,
            via: .pageCache, scope: nil, hole: nil, landmarks: [], stackIsNamed: true)
    }

    @Test("the inode's number is the device's; pages of files have none")
    func number() throws {
        let loop = try #require(BlockDeviceNames.blockDevice(of: Self.detach(magic: 0x6264_6576, inode: 7 << 20 | 3)))
        #expect(loop.major == 7 && loop.minor == 3)
        #expect(BlockDeviceNames.blockDevice(of: Self.detach(magic: 0xef53, inode: 7 << 20)) == nil)
        #expect(BlockDeviceNames.blockDevice(of: Self.detach(magic: 0x6264_6576, inode: 0)) == nil)
    }

    @Test("the name is the kernel's, slashes included")
    func name() {
        #expect(BlockDeviceNames.deviceName(uevent: "MAJOR=7\nMINOR=3\nDEVNAME=loop3\nDEVTYPE=disk\n") == "loop3")
        #expect(BlockDeviceNames.deviceName(uevent: "MAJOR=104\nMINOR=0\nDEVNAME=cciss/c0d0\n") == "cciss/c0d0")
        #expect(BlockDeviceNames.deviceName(uevent: "MAJOR=7\n") == nil)
    }
}
