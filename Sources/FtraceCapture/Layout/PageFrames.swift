// SPDX-License-Identifier: Apache-2.0

// Chooses pages of the host from /proc/kpageflags: some for each combination of flags, and the first pages of large
// ones with their order.

import Events
import Glibc
import System

/// /proc/kpageflags.
struct PageFrames: ~Copyable {
    /// Pages of one combination of flags, and large pages of one order.
    private static let (alike, alikeInOrder) = (6, 4)
    private static let blockFrames = 512
    /// Of the memory, spread evenly: 1 GiB in all.
    private static let blocks = 512

    private let descriptor: Int32
    private let end: UInt64

    /// - Throws: with exit code 77 when the file cannot be read.
    init() throws(CaptureError) {
        descriptor = unsafe open("/proc/kpageflags", O_RDONLY | O_CLOEXEC)
        guard descriptor >= 0 else {
            throw .uncertain("the flags of a page", "/proc/kpageflags cannot be read (\(errorText(errno)))")
        }
        // The file has one word for each page of memory, and no size.
        var (below, above): (UInt64, UInt64) = (0, 1 << 40)
        while below < above {
            let middle = (below + above) / 2
            if Self.read(descriptor, middle, 1).isEmpty { above = middle } else { below = middle + 1 }
        }
        end = below
    }

    deinit { close(descriptor) }

    /// What the file shows of some pages in a row; fewer at the end of memory.
    func shown(from frame: UInt64, count: Int) -> [UInt64] { Self.read(descriptor, frame, count) }

    private static func read(_ descriptor: Int32, _ frame: UInt64, _ count: Int) -> [UInt64] {
        unsafe [UInt64](unsafeUninitializedCapacity: count) { buffer, read in
            // Into the buffer, which has room for `count` words.
            let bytes = unsafe pread(descriptor, buffer.baseAddress, 8 * count, off_t(8 * frame))
            read = max(0, bytes) / 8
        }
    }

    /// Frames of pages with every combination of flags that occurred, and those of large pages of different orders.
    func samples() -> (pages: [UInt64], large: [UInt64]) {
        var pages: [UInt64: [UInt64]] = [:]
        var large: [Int: [UInt64]] = [:]
        let count = end / UInt64(Self.blockFrames)
        let step = max(1, count / UInt64(Self.blocks))
        for block in stride(from: 0, to: count, by: Int(step)) {
            let first = block * UInt64(Self.blockFrames)
            let shown = shown(from: first, count: Self.blockFrames)
            var inBlock: [UInt64: Int] = [:]
            for (place, flags) in shown.enumerated() where flags & PageFlag.excluded == 0 {
                let kind = flags & PageFlag.distinguishing
                // Neighbours often differ only in flags that are not searched for.
                guard inBlock[kind, default: 0] < 2, pages[kind, default: []].count < Self.alike else { continue }
                inBlock[kind, default: 0] += 1
                pages[kind, default: []].append(first + UInt64(place))
            }
            for place in shown.indices {
                guard let order = Self.order(of: shown, at: place), large[order, default: []].count < Self.alikeInOrder
                else { continue }
                large[order, default: []].append(first + UInt64(place))
            }
        }
        return (pages.values.flatMap { $0 }.sorted(), large.values.flatMap { $0 }.sorted())
    }

    /// The order of a large page that begins in a frame; nil when none does, or its end is not shown.
    func order(of frame: UInt64) -> Int? { Self.order(of: shown(from: frame, count: Self.blockFrames + 1), at: 0) }

    static func order(of shown: [UInt64], at place: Int) -> Int? {
        func has(_ flag: PageFlag, _ flags: UInt64) -> Bool { flags >> UInt64(flag.rawValue) & 1 != 0 }
        guard has(.head, shown[place]) else { return nil }
        let rest = shown[(place + 1)...]
        guard let end = rest.firstIndex(where: { !has(.tail, $0) }) else { return nil }
        let count = end - place
        return count > 1 && count.nonzeroBitCount == 1 ? count.trailingZeroBitCount : nil
    }
}
