// SPDX-License-Identifier: Apache-2.0

// A place is taken only if the known value stands there in every reading and nowhere else: what is ambiguous or contradicts
// itself is refused with 77, and the line says which fact it is.

import Events
import Ftrace
import Testing

@testable import FtraceCapture

extension DetachReading {
    /// A detach on a kernel like 6.12, of one of several files on two file systems.
    static func sample(_ number: UInt64) -> DetachReading {
        let device: UInt32 = number % 2 == 0 ? 5 : 0x00_80_00_01
        let known = KnownPage(
            inode: 1000 + number, size: 0x5000_0003 + 0x1007 * number, index: 0x4000 + 3 * number, device: device,
            magic: device == 5 ? 0x0102_1994 : 0xef53, held: 3 * number)
        let frame = 0x8000 + 5 * number
        var page = [UInt64](repeating: 0, count: LayoutChoice.pageWords)
        (page[0], page[3], page[4]) = (0xf_ffff_8002_022d, 0xffff_899e_8000_0000, known.index)
        page[6] = (2 + known.held) << 32 | 0xffff_ffff
        var inode = [UInt64](repeating: 0, count: LayoutChoice.structureWords)
        (inode[4], inode[5], inode[6]) = (0xffff_ffff_8be3_f7c0, 0xffff_899e_84c0_f800 + UInt64(device) * 8, page[3])
        (inode[8], inode[10]) = (known.inode, known.size)
        var superBlock = [UInt64](repeating: 0, count: LayoutChoice.structureWords)
        (superBlock[2], superBlock[12]) = (0xc << 32 | UInt64(device), known.magic)
        return DetachReading(
            known: known,
            witness: Witness(frame: frame, inode: known.inode, device: device, index: known.index),
            page: 0xffff_ea00_0000_0000 + 64 * frame, pageWords: page, inodeWords: inode,
            superBlockWords: [40: superBlock])
    }

    static let samples = (0..<6).map { sample(UInt64($0)) }
}

@Suite("Offsets from measured words") struct LayoutChoiceTests {
    private func refusal(_ body: () throws(CaptureError) -> Void) -> CaptureError? {
        do throws(CaptureError) {
            try body()
            return nil
        } catch {
            return error
        }
    }

    private func expectRefused(_ word: String, _ body: () throws(CaptureError) -> Void) {
        let error = refusal(body)
        #expect(error?.exitCode == 77)
        #expect(error?.message.contains(word) == true, "\(error?.message ?? "accepted")")
        #expect(error?.message.contains("\n") == false)
    }

    private func changed(_ change: (inout DetachReading) -> Void) -> [DetachReading] {
        DetachReading.samples.map { reading in
            var reading = reading
            change(&reading)
            return reading
        }
    }

    @Test("each field is found at its place") func found() throws {
        let readings = try LayoutChoice.trusted(DetachReading.samples, atLeast: 6)
        #expect(readings.count == 6)
        #expect(try LayoutChoice.page(readings) == (32, 52))
        #expect(try LayoutChoice.inode(readings) == (64, 80))
        #expect(try LayoutChoice.superBlockCandidates(readings) == [40])
        #expect(try LayoutChoice.superBlock(readings) == (40, 16, 96))
    }

    @Test("a value that stands at two places is refused") func ambiguous() {
        expectRefused("the index of a page") { () throws(CaptureError) in
            _ = try LayoutChoice.page(changed { $0.pageWords[5] = $0.known.index })
        }
        expectRefused("the length of a file: it may be at each of the places 80, 240") { () throws(CaptureError) in
            _ = try LayoutChoice.inode(changed { $0.inodeWords[30] = $0.known.size })
        }
        expectRefused("the device of a file system") { () throws(CaptureError) in
            _ = try LayoutChoice.superBlock(changed { $0.superBlockWords[40]?[3] = UInt64($0.known.device) })
        }
        expectRefused("the place of a file system: it may be at each of the places 40, 56") { () throws(CaptureError) in
            _ = try LayoutChoice.superBlock(changed { $0.superBlockWords[56] = $0.superBlockWords[40] })
        }
    }

    @Test("a value that one reading does not show is refused") func contradiction() {
        var readings = DetachReading.samples
        readings[4].inodeWords[8] += 1
        expectRefused("the number of an inode: it was found at no place") { () throws(CaptureError) in
            _ = try LayoutChoice.inode(readings)
        }
        readings = DetachReading.samples
        readings[3].pageWords[6] += 4 << 32
        expectRefused("the references of a page") { () throws(CaptureError) in _ = try LayoutChoice.page(readings) }
        readings = DetachReading.samples
        readings[2].superBlockWords[40]?[12] = 0x9fa0
        expectRefused("the place of a file system") { () throws(CaptureError) in
            _ = try LayoutChoice.superBlock(readings)
        }
        readings = DetachReading.samples
        readings[1].page += 8
        expectRefused("the size of a page's structure") { () throws(CaptureError) in
            _ = try LayoutChoice.page(readings)
        }
    }

    @Test("a detach of another file than the known one counts for nothing") func strange() throws {
        var readings = DetachReading.samples
        readings[0].witness.inode = 7
        readings[1].witness.device = 7
        readings[2].witness.index = 7
        #expect(try LayoutChoice.trusted(readings, atLeast: 3).count == 3)
        expectRefused("what a detach is: the kernel recorded 3 of 6 as expected") { () throws(CaptureError) in
            _ = try LayoutChoice.trusted(readings, atLeast: 6)
        }
        // One page again and again says nothing of others.
        let same = Array(repeating: DetachReading.samples[0], count: 6)
        expectRefused("what a detach is") { () throws(CaptureError) in
            _ = try LayoutChoice.trusted(same, atLeast: 6)
        }
    }

    @Test("one file system alone does not show where it is kept") func oneFileSystem() {
        let readings = DetachReading.samples.filter { $0.known.device == 5 }
        expectRefused("files on two file systems") { () throws(CaptureError) in
            _ = try LayoutChoice.superBlockCandidates(readings)
        }
    }

    @Test("the order is the byte that shows it for pages of several orders") func order() throws {
        func page(_ order: UInt64, also byte: Int? = nil) -> (order: UInt64, words: [UInt64]) {
            var words = [UInt64](repeating: 0, count: LayoutChoice.pageWords)
            words[0] = 0x40
            words[10] = order << 8 | 1
            if let byte { words[byte / 8] |= order << UInt64(byte % 8 * 8) }
            return (order, words)
        }
        #expect(try LayoutChoice.order([page(1), page(3), page(9)]) == 81)
        #expect(try LayoutChoice.order([page(3), page(3)]) == nil)
        #expect(try LayoutChoice.order([]) == nil)
        expectRefused("the order of a large page: it may be at each of the places 81, 112") {
            () throws(CaptureError) in
            _ = try LayoutChoice.order([page(1, also: 112), page(3, also: 112)])
        }
        let wrong: (order: UInt64, words: [UInt64]) = (4, page(2).words)
        expectRefused("the order of a large page") { () throws(CaptureError) in
            _ = try LayoutChoice.order([page(1), wrong])
        }
    }

    @Test("the order of a large page is the length of its row in /proc/kpageflags") func rows() {
        let (head, tail): (UInt64, UInt64) = (1 << 15, 1 << 16)
        #expect(PageFrames.order(of: [head, tail, tail, tail, 0], at: 0) == 2)
        #expect(PageFrames.order(of: [0, head, tail, head, tail], at: 1) == 1)
        // Not a power of two, no end, no large page.
        #expect(PageFrames.order(of: [head, tail, tail, 0], at: 0) == nil)
        #expect(PageFrames.order(of: [head, tail], at: 0) == nil)
        #expect(PageFrames.order(of: [0, tail], at: 0) == nil)
    }

    // MARK: Flags

    /// Bits by flag, as 6.12 has them.
    private static let bits: [PageFlag: Int] = [
        .referenced: 2, .upToDate: 3, .dirty: 4, .lru: 5, .active: 8, .reserved: 13, .head: 6, .swapBacked: 17,
    ]

    private func pages(_ combinations: [[PageFlag]], bits: [PageFlag: Int] = bits) -> [FlaggedPage] {
        combinations.map { flags in
            FlaggedPage(
                shown: flags.reduce(0) { $0 | 1 << UInt64($1.rawValue) },
                word: flags.reduce(0xf_ffff_8000_0000) { $0 | (bits[$1].map { 1 << UInt64($0) } ?? 0) })
        }
    }

    private static let usual: [[PageFlag]] = [
        [], [.reserved], [.head], [.upToDate, .lru], [.upToDate, .lru, .swapBacked],
        [.upToDate, .active, .lru, .swapBacked],
        [.upToDate, .dirty, .lru, .swapBacked], [.referenced, .upToDate, .lru], [.upToDate],
        [.upToDate, .head, .swapBacked],
    ]

    @Test("bits are those of the pages that have the flag, and the swap cache's that of the layout") func flags() throws
    {
        let expected = KernelFacts.FlagBits(reserved: 13, upToDate: 3, swapCache: 10, swapBacked: 17, head: 6)
        #expect(try PageFlag.bits(of: pages(Self.usual)) == expected)
        let older: [PageFlag: Int] = [
            .referenced: 1, .upToDate: 2, .dirty: 3, .lru: 4, .active: 5, .reserved: 12, .head: 16, .swapBacked: 19,
        ]
        #expect(
            try PageFlag.bits(of: pages(Self.usual, bits: older))
                == KernelFacts.FlagBits(reserved: 12, upToDate: 2, swapCache: 10, swapBacked: 19, head: 16))
    }

    @Test("a page in the swap cache shows its bit, also on a kernel of another layout") func swapCache() throws {
        var bits = Self.bits
        (bits[.swapCache], bits[.swapBacked]) = (12, 20)
        let all = pages(Self.usual + [[.upToDate, .swapBacked, .swapCache]], bits: bits)
        #expect(try PageFlag.bits(of: all).swapCache == 12)
        // Without such a page it is not known.
        expectRefused("the flag swapCache of a page") { () throws(CaptureError) in
            _ = try PageFlag.bits(of: pages(Self.usual, bits: bits))
        }
        // Seen at another place than the layout has it.
        bits[.swapBacked] = 17
        expectRefused("the flag swapCache of a page") { () throws(CaptureError) in
            _ = try PageFlag.bits(of: pages(Self.usual + [[.upToDate, .swapBacked, .swapCache]], bits: bits))
        }
    }

    @Test("flags that always come together, or a page that contradicts, are refused") func doubtfulFlags() {
        expectRefused("the flag reserved of a page") { () throws(CaptureError) in
            _ = try PageFlag.bits(of: pages(Self.usual.filter { $0 != [.reserved] }))
        }
        expectRefused("the flag head of a page") { () throws(CaptureError) in
            _ = try PageFlag.bits(of: pages([[], [.head, .lru], [.reserved], [.upToDate], [.upToDate, .swapBacked]]))
        }
        var contradiction = pages(Self.usual)
        contradiction[3].word &= ~(1 << 3)
        expectRefused("the flag upToDate of a page: no bit") { () throws(CaptureError) in
            _ = try PageFlag.bits(of: contradiction)
        }
    }

    // MARK: The text

    @Test("fields of events are read as the kernel writes them") func events() throws {
        let event = MeasuringInstance.Event(
            name: "m_page", text: " (filemap_unaccount_folio+0x0/0x1c0) page=0xfc00215380 w={0x1,0xff} count=1 r=-14")
        #expect(event.number("page") == 0xfc_0021_5380)
        #expect(event.numbers("w") == [1, 255])
        #expect(event.number("w") == nil)
        #expect(event.number("r") == UInt64(bitPattern: -14))
        #expect(event.number("none") == nil)
        for (text, frame) in [
            (" dev 0:26 ino a2 pfn=0x854e ofs=8192 order=0", 0x854e),
            (" dev 0:26 ino a2 page=ffffdfae00f9f500 pfn=255956 ofs=8192", 255956),
        ] as [(Substring, UInt64)] {
            let witness = DetachReading.Witness(MeasuringInstance.Event(name: "", text: text))
            #expect(witness == DetachReading.Witness(frame: frame, inode: 0xa2, device: 26, index: 2))
        }
        #expect(DetachReading.Witness(MeasuringInstance.Event(name: "", text: " dev 0:26 ino a2")) == nil)
    }
}
