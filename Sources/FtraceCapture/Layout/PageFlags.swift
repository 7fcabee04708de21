// SPDX-License-Identifier: Apache-2.0

// Numbers of the bits in the flags of a page. /proc/kpageflags shows the flags of every page, in numbers that never
// change; the words of the same pages show which bits are set. A bit is accepted only if it is set in exactly those
// pages that have the flag.

import Events
import Ftrace

/// A page, by /proc/kpageflags and by the flags in its structure.
struct FlaggedPage: Equatable {
    /// As /proc/kpageflags has it (include/uapi/linux/kernel-page-flags.h).
    var shown: UInt64
    /// The first word of its structure, if it was the same before and after /proc/kpageflags was read.
    var word: UInt64

    func has(_ flag: PageFlag) -> Bool { shown >> UInt64(flag.rawValue) & 1 != 0 }
    func hasBit(_ bit: Int) -> Bool { word >> UInt64(bit) & 1 != 0 }
}

/// A flag, by its number in /proc/kpageflags.
enum PageFlag: Int, CaseIterable {
    case referenced = 2
    case upToDate = 3
    case dirty = 4
    case lru = 5
    case active = 6
    case slab = 7
    case writeback = 8
    case swapCache = 13
    case swapBacked = 14
    case head = 15
    case tail = 16
    case unevictable = 18
    case poisoned = 19
    case noPage = 20
    case reserved = 32
    case mappedToDisk = 34
    case hasPrivate = 35

    /// Flags whose bits are measured.
    static let measured: [PageFlag] = [.referenced, .upToDate, .dirty, .lru, .active, .swapBacked, .head, .reserved]
    /// Without these a page cannot be classified.
    private static let needed: [PageFlag] = [.reserved, .upToDate, .swapBacked, .head]

    /// Pages that have no flags of their own, or no useful ones.
    static let excluded: UInt64 = [PageFlag.tail, .poisoned, .noPage].reduce(0) { $0 | 1 << UInt64($1.rawValue) }
    /// Pages that differ in these flags are read too: bits of other flags must not be mistaken for the measured ones.
    static let distinguishing: UInt64 =
        (measured + [.swapCache, .slab, .writeback, .unevictable, .mappedToDisk, .hasPrivate])
        .reduce(0) { $0 | 1 << UInt64($1.rawValue) }

    /// The bits of a page's flags.
    /// - Throws: with exit code 77 when a bit may have several numbers, or none.
    static func bits(of pages: [FlaggedPage]) throws(CaptureError) -> KernelFacts.FlagBits {
        guard !pages.isEmpty else { throw .uncertain("the flags of a page", "/proc/kpageflags shows no page") }
        var found: [PageFlag: Int] = [:]
        for flag in measured {
            let bits = bits(of: flag, in: pages)
            if bits.count == 1 {
                found[flag] = bits[0]
            } else if bits.isEmpty {
                throw .uncertain("the flag \(flag) of a page", "no bit agrees with it in \(pages.count) pages")
            } else if needed.contains(flag) {
                throw .uncertain(
                    "the flag \(flag) of a page",
                    "\(bits.count) bits agree with it in each of \(pages.count) pages")
            }
        }
        guard let reserved = found[.reserved], let upToDate = found[.upToDate], let swapBacked = found[.swapBacked],
            let head = found[.head]
        else { throw .uncertain("the flags of a page", "not all were found") }
        return KernelFacts.FlagBits(
            reserved: reserved, upToDate: upToDate, swapCache: try swapCache(in: pages, found: found),
            swapBacked: swapBacked, head: head)
    }

    /// Bits that are set in exactly those pages that have the flag; all of them where no page has it, or every page.
    private static func bits(of flag: PageFlag, in pages: [FlaggedPage]) -> [Int] {
        flagBits.filter { bit in pages.allSatisfy { $0.has(flag) == $0.hasBit(bit) } }
    }

    /// Above them are the numbers of node and zone.
    private static let flagBits = Array(0..<32)

    /// The bit of the swap cache is valid only together with `swapBacked`, and file systems use it for their own pages.
    /// A host without swap has no page that shows it. Then it is known if the measured bits are those of one layout.
    private static func swapCache(in pages: [FlaggedPage], found: [PageFlag: Int]) throws(CaptureError) -> Int {
        let rows = layouts.filter { layout in found.allSatisfy { layout.bits[$0.key] == $0.value } }
        let anonymous = pages.filter { $0.has(.swapBacked) }
        if anonymous.contains(where: { $0.has(.swapCache) }) {
            let taken = Set(found.values)
            let bits = flagBits.filter { bit in
                !taken.contains(bit) && anonymous.allSatisfy { $0.has(.swapCache) == $0.hasBit(bit) }
            }
            if bits.count == 1, rows.isEmpty || rows.contains(where: { $0.swapCache == bits[0] }) { return bits[0] }
            throw .uncertain(
                "the flag swapCache of a page", "\(bits.count) bits agree with it, or one that is not expected")
        }
        guard rows.count == 1 else {
            throw .uncertain(
                "the flag swapCache of a page",
                "no page of this host has it, and the bits of the other flags are those of no known kernel")
        }
        return rows[0].swapCache
    }

    /// `enum pageflags` of known kernels.
    private static let layouts: [(bits: [PageFlag: Int], swapCache: Int)] = [
        // 5.10, 6.1
        (
            [
                .referenced: 1, .upToDate: 2, .dirty: 3, .lru: 4, .active: 5, .reserved: 12, .head: 16,
                .swapBacked: 19,
            ], 10
        ),
        // 6.12 to 7.3
        (
            [
                .referenced: 2, .upToDate: 3, .dirty: 4, .lru: 5, .active: 8, .reserved: 13, .head: 6,
                .swapBacked: 17,
            ], 10
        ),
    ]
}
