// SPDX-License-Identifier: Apache-2.0

// Measures the layout of a kernel without BTF. It makes pages of files whose values are all known, detaches them under
// probes that read the memory around them, and searches for the known values. A fact that cannot be verified is
// refused, never guessed.

public import Events
public import Ftrace
internal import Live

/// The layout of the running kernel.
public enum LayoutMeasurement {
    /// Attempts, because pages of the host change while they are read.
    private static let attempts = 3

    /// Measures it, and leaves nothing behind.
    /// - Parameter unaccount: the function that is called for each page that leaves the page cache; nil when there is none.
    /// - Throws: with exit code 77 when a fact cannot be verified, or tracefs is refused.
    public static func measure(unaccount: String?) throws(CaptureError) -> KernelFacts.Layout {
        try ProcessNumbers.require("this kernel has no BTF, and measuring where its fields lie")
        let tracefs: Tracefs
        do throws(CaptureError) {
            tracefs = try Tracefs.find()
        } catch {
            throw .notPermitted(
                "this kernel has no BTF, and measuring where its fields lie needs tracefs: \(error.message)")
        }
        var latest = CaptureError.uncertain("its layout", "")
        for _ in 0..<attempts {
            do throws(CaptureError) {
                return try puttingOffSignals { () throws(CaptureError) in
                    var measurement = try Measurement(tracefs, unaccount: unaccount)
                    return try measurement.layout()
                }
            } catch {
                guard error.exitCode == 77 else { throw error }
                latest = error
            }
        }
        throw latest
    }
}

/// One measurement.
private struct Measurement {
    private static let witness = "mm_filemap_delete_from_page_cache"
    /// Arguments of one probe, so that the text of an event stays below a page.
    private static let (pagesInProbe, largeInProbe) = (60, 8)

    private let instance: MeasuringInstance
    /// Where a page is detached: kind of the probe, function or tracepoint, and the argument with the page.
    private var place: (kind: String, target: String, page: String)
    /// Words in the inode that may lead to the file system.
    private var candidates: [Int] = []

    /// Defines the probes that read pages and inodes.
    init(_ tracefs: Tracefs, unaccount: String?) throws(CaptureError) {
        instance = try MeasuringInstance(tracefs)
        place = ("p", unaccount ?? "", "$arg2")
        var takes = false
        if unaccount != nil {
            takes = try definePage("m_page", further: " mapping=$arg1:x64")
            // The recorded events prefer this function.
            _ = try instance.define("t", "m_tracepoint", Self.witness, "page=$arg1:x64")
        } else {
            place = ("t", Self.witness, "$arg1")
            takes = try definePage("m_page", further: "")
        }
        guard takes, try defineStructure("m_inode", at: "+\(LayoutChoice.host)(\(mapping))") else {
            throw .uncertain("what a detach is", "the kernel refuses probes on it")
        }
        try instance.enable("filemap/\(Self.witness)")
        try ArgumentCheck.defineFileCalls(instance)
    }

    private var mapping: String { "+\(LayoutChoice.mapping)(\(place.page))" }

    private func definePage(_ event: String, further: String) throws(CaptureError) -> Bool {
        try instance.define(
            place.kind, event, place.target,
            "page=\(place.page):x64 w=+0(\(place.page)):x64[\(LayoutChoice.pageWords)]\(further)")
    }

    /// Reads the structure at the address that an expression has.
    private func defineStructure(_ event: String, at address: String) throws(CaptureError) -> Bool {
        try instance.define(
            place.kind, event, place.target, "w=+0(\(address)):x64[\(LayoutChoice.structureWords)]")
    }

    mutating func layout() throws(CaptureError) -> KernelFacts.Layout {
        defer { instance.remove() }
        let files = KnownFile.several()
        guard files.count > 1 else { throw .uncertain("what a detach is", "no file could be made to be detached from") }
        let arguments = try ArgumentCheck.measure(instance, files[0], files[1])
        let first = try LayoutChoice.trusted(try readings(of: files), atLeast: 3)
        if let pinned = arguments.pinnedPage, first.first(where: { $0.known == files[0].page })?.page != pinned {
            throw .uncertain("the arguments of get_user_pages_fast", "it does not return the page of the futex")
        }
        candidates = try LayoutChoice.superBlockCandidates(first)
        for offset in candidates {
            _ = try defineStructure("m_super_\(offset)", at: "+\(offset)(+\(LayoutChoice.host)(\(mapping)))")
        }
        let all = try LayoutChoice.trusted(first + (try readings(of: KnownFile.several())), atLeast: 6)
        let page = try LayoutChoice.page(all)
        let inode = try LayoutChoice.inode(all)
        let superBlock = try LayoutChoice.superBlock(all.filter { !$0.superBlockWords.isEmpty })
        let (bits, order) = try flags(
            base: all[0].page &- all[0].witness.frame &* UInt64(LayoutChoice.pageStructureSize))
        return KernelFacts.Layout(
            source: .measured,
            offsets: KernelFacts.Offsets(
                mapping: LayoutChoice.mapping, flags: LayoutChoice.flags, index: page.index,
                references: page.references, order: order, host: LayoutChoice.host, inode: inode.number,
                size: inode.size, superBlock: superBlock.superBlock, device: superBlock.device,
                magic: superBlock.magic),
            bits: bits, pageStructureSize: LayoutChoice.pageStructureSize, sharedIsBool: arguments.sharedIsBool,
            unaccountHasPage: place.kind == "p")
    }

    // MARK: Detaches

    /// Detaches the pages of files and reads what is there.
    private func readings(of files: [KnownFile]) throws(CaptureError) -> [DetachReading] {
        var readings: [DetachReading] = []
        for file in files {
            let events = try instance.record { file.detachPage() }
            try ArgumentCheck.checkFileCalls(events, of: file)
            if let reading = try reading(of: file.page, in: events) { readings.append(reading) }
        }
        return readings
    }

    /// Nil when nothing was recorded, as for a file system that has no holes.
    private func reading(
        of known: KnownPage, in events: [MeasuringInstance.Event]
    ) throws(CaptureError) -> DetachReading? {
        func one(_ name: String) -> MeasuringInstance.Event? {
            let found = events.filter { $0.name == name }
            return found.count == 1 ? found[0] : nil
        }
        guard let witness = one(Self.witness).flatMap(DetachReading.Witness.init), let page = one("m_page"),
            let address = page.number("page"), let words = page.numbers("w"), let inode = one("m_inode")?.numbers("w")
        else { return nil }
        if let argument = page.number("mapping"), argument != words[safe: LayoutChoice.mapping / 8] {
            throw .uncertain("the mapping of a page", "\(place.target) is called with another one")
        }
        if let tracepoint = one("m_tracepoint"), tracepoint.number("page") != address {
            throw .uncertain("the page of a detach", "the tracepoint \(Self.witness) has another one")
        }
        var reading = DetachReading(
            known: known, witness: witness, page: address, pageWords: words, inodeWords: inode)
        for offset in candidates {
            reading.superBlockWords[offset] = one("m_super_\(offset)")?.numbers("w")
        }
        return reading
    }

    // MARK: Flags

    /// Bits of flags and the place of the order, from pages of the host; `base` is the first structure of all pages.
    private func flags(base: UInt64) throws(CaptureError) -> (KernelFacts.FlagBits, order: Int?) {
        let frames = try PageFrames()
        let samples = frames.samples()
        func address(_ frame: UInt64) -> String {
            "0x" + String(base &+ frame &* UInt64(LayoutChoice.pageStructureSize), radix: 16)
        }
        let pages = try words(samples.pages, inProbe: Self.pagesInProbe) {
            "@\(address($0)):x64"
        } shown: { frame in
            frames.shown(from: frame, count: 1).first
        }
        let large = try words(samples.large, inProbe: Self.largeInProbe) {
            "@\(address($0)):x64[\(LayoutChoice.pageWords)]"
        } shown: {
            frames.order(of: $0).map(UInt64.init)
        }
        return (
            try PageFlag.bits(of: pages.map { FlaggedPage(shown: $0.shown, word: $0.words[0]) }),
            try LayoutChoice.order(large.map { ($0.shown, $0.words) })
        )
    }

    /// Reads words of pages, between two readings of /proc/kpageflags that agree.
    private func words(
        _ frames: [UInt64], inProbe count: Int, argument: (UInt64) -> String, shown: (UInt64) -> UInt64?
    ) throws(CaptureError) -> [(shown: UInt64, words: [UInt64])] {
        var all: [(shown: UInt64, words: [UInt64])] = []
        for start in stride(from: 0, to: frames.count, by: count) {
            let part = frames[start..<min(start + count, frames.count)]
            let text = part.enumerated().map { "v\($0.offset)=\(argument($0.element))" }.joined(separator: " ")
            guard try instance.define("p", "m_words", "get_futex_key", text),
                let file = KnownFile.make(in: nil, index: 0, held: 0)
            else { throw .uncertain("the flags of a page", "the kernel refuses to read them") }
            func read() throws(CaptureError) -> MeasuringInstance.Event? {
                try instance.record { _ = file.lookUp(with: file, isPrivate: true) }.first { $0.name == "m_words" }
            }
            let before = try read()
            let middle = part.map(shown)
            let after = try read()
            try instance.undefine("m_words")
            for (place, shown) in middle.enumerated() {
                guard let shown, let first = before?.numbers("v\(place)"), !first.isEmpty,
                    first == after?.numbers("v\(place)")
                else { continue }
                all.append((shown, first))
            }
        }
        return all
    }
}

extension DetachReading.Witness {
    /// "dev 0:26 ino 2 … pfn=0x854e ofs=0"; older kernels have the frame without "0x".
    init?(_ event: MeasuringInstance.Event) {
        let device = event.word(after: "dev")?.split(separator: ":").compactMap { UInt32($0) } ?? []
        guard device.count == 2, let inode = event.word(after: "ino").flatMap({ UInt64($0, radix: 16) }),
            let frame = event.number("pfn"), let offset = event.number("ofs")
        else { return nil }
        self.init(
            frame: frame, inode: inode, device: device[0] << 20 | device[1],
            index: offset / UInt64(KnownFile.pageBytes))
    }
}
