// SPDX-License-Identifier: Apache-2.0

// One line of /proc/PID/maps, whose path is untrusted text.

import Events

/// One line of /proc/PID/maps that maps a file.
struct MemoryArea: Equatable {
    var range: Range<UInt64>
    /// Of its first byte in the file.
    var offset: UInt64
    /// As the victim's own file has them: where there is an overlay, those of the overlay.
    var file: FileID
    var text: String

    /// "start-end perms offset major:minor inode path"; nil when it maps no file.
    init?(line: some StringProtocol) {
        let fields = line.split(separator: " ", maxSplits: 5, omittingEmptySubsequences: true)
        let ends = fields.first?.split(separator: "-").compactMap { UInt64($0, radix: 16) } ?? []
        guard fields.count == 6, ends.count == 2, ends[0] < ends[1] else { return nil }
        let device = fields[3].split(separator: ":").compactMap { UInt32($0, radix: 16) }
        let text = fields[5].drop { $0 == " " }
        // The first segment of System V has the inode 0; a stack or a heap has no path.
        guard let offset = UInt64(fields[2], radix: 16), device.count == 2, let inode = UInt64(fields[4]),
            text.hasPrefix("/")
        else { return nil }
        self.offset = offset
        range = ends[0]..<ends[1]
        file = FileID(device: device[0] << 20 | device[1] & 0xfffff, inode: inode)
        // The kernel writes a line end in a path as \012.
        self.text = text.replacing("\\012", by: "\n")
    }

    /// The first area that maps a page of a file.
    static func of(_ file: FileID, page: UInt64, maps: String) -> MemoryArea? {
        maps.split(separator: "\n").lazy.compactMap { MemoryArea(line: $0) }
            .first { $0.file == file && $0.pages.contains(page) }
    }

    /// Pages of the file that it maps.
    var pages: Range<UInt64> {
        let first = offset >> 12
        return first..<first &+ (range.upperBound - range.lowerBound) >> 12
    }
}
