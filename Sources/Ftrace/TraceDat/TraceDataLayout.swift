// SPDX-License-Identifier: Apache-2.0

// The parts of a trace.dat, from its first byte to the pages of its processors: version 6, whose sections follow each
// other, and version 7, whose options have the places of the sections. The man pages trace-cmd.dat.v6(5) and v7(5)
// describe both. Parts that are not needed are skipped; a file with a part that would change the meaning of the others
// is left to trace-cmd.

internal import Events

/// Everything that is known of a recording before its first event.
struct TraceDataLayout {
    /// More processors than Linux can have.
    private static let processorLimit = 8192
    private static let formatLimit = 1 << 20
    /// The clocks of kernel/trace/trace.c whose times are nanoseconds.
    private static let clocksOfNanoseconds: Set = [
        "local", "global", "perf", "mono", "mono_raw", "boot", "tai",
    ]
    private static let optionSections = 64
    private static let pageSizes = 4096...(1 << 20)

    private(set) var formats = EventFormats()
    /// In the order in which their events come first where times are the same.
    private(set) var processors: [ProcessorPlace] = []
    /// Names of tasks.
    private(set) var comms: [UInt32: Comm] = [:]
    private(set) var release: String?
    private(set) var host: String?
    /// The clock of the times counts something else than nanoseconds.
    private(set) var hasCountsForTimes = false
    private(set) var decompressor: Decompressor?
    private var symbols: (begin: UInt64, isSection: Bool)?
    private var pageBytes = 0
    private let file: TraceDataFile
    private let names: KnownNames

    init(_ file: TraceDataFile, names: KnownNames) throws {
        (self.file, self.names) = (file, names)
        var head = SectionBytes(file, "the head", from: 0)
        guard TraceData.isRecognised(try head.bytes(TraceData.magic.count)) else {
            throw file.damaged(at: 0, "it does not begin like one")
        }
        let version = try head.text(limit: 16)
        guard ["6", "7"].contains(version) else { throw TraceData.Unfamiliar("version \(version) of the format") }
        guard try head.number(UInt8.self) == 0 else { throw TraceData.Unfamiliar("numbers of a big-endian machine") }
        _ = try head.number(UInt8.self)
        pageBytes = Int(try head.number(UInt32.self))
        if version == "6" { try readInSequence(&head) } else { try readByOptions(&head) }
    }

    // MARK: The two versions

    private mutating func readInSequence(_ bytes: inout SectionBytes) throws {
        try readPageHead(&bytes)
        try readFtraceFormats(&bytes)
        try readFormats(&bytes)
        symbols = (bytes.offset, false)
        for _ in 0..<2 { try bytes.skip(UInt64(bytes.number(UInt32.self))) }
        try readComms(&bytes)
        var count = Int(try bytes.number(UInt32.self))
        var instances: [UInt64] = []
        var kind = try bytes.bytes(10)
        if kind.starts(with: "options".utf8) {
            while case let id = try bytes.number(UInt16.self), id != 0 {
                var option = try self.option(id, &bytes)
                switch id {
                case Option.buffer: instances.append(try option.number(UInt64.self))
                case Option.processors: count = Int(try option.number(UInt32.self))
                default: try readOption(id, &option)
                }
            }
            kind = try bytes.bytes(10)
        }
        try readPlaces(kind, count, &bytes)
        guard instances.count <= Self.optionSections else { throw file.damaged(at: 0, "it has too many instances") }
        for offset in instances {
            var bytes = SectionBytes(file, "the pages of an instance", from: offset)
            try readPlaces(bytes.bytes(10), count, &bytes)
        }
    }

    /// Where the pages of each processor are, in version 6.
    private mutating func readPlaces(_ kind: [UInt8], _ count: Int, _ bytes: inout SectionBytes) throws {
        guard kind.starts(with: "flyrecord".utf8) else {
            throw TraceData.Unfamiliar("a text of the latency format")
        }
        guard count <= Self.processorLimit else { throw file.damaged(at: bytes.offset, "\(count) processors") }
        for number in 0..<count {
            try add(
                number, offset: bytes.number(UInt64.self), size: bytes.number(UInt64.self), pageBytes: pageBytes,
                isCompressed: false)
        }
    }

    private mutating func readByOptions(_ head: inout SectionBytes) throws {
        let method = try head.text(limit: 32)
        _ = try head.text(limit: 32)
        if method != "none" {
            guard let method = Decompressor.Method(rawValue: method) else {
                throw TraceData.Unfamiliar("pages compressed with \(method)")
            }
            decompressor = Decompressor(method)
        }
        var offset = try head.number(UInt64.self)
        var sections: [UInt16: UInt64] = [:]
        var buffers: [SectionBytes] = []
        for _ in 0..<Self.optionSections where offset != 0 {
            var bytes = try section(Option.done, "the options", at: offset)
            offset = 0
            while !bytes.isAtEnd {
                let id = try bytes.number(UInt16.self)
                var option = try self.option(id, &bytes)
                switch id {
                case Option.done: offset = try option.number(UInt64.self)
                case Option.buffer: buffers.append(option)
                case Option.headerInfo...Option.comms: sections[id] = try option.number(UInt64.self)
                default: try readOption(id, &option)
                }
                if id == Option.done { break }
            }
        }
        func read(_ id: UInt16, _ what: String, _ body: (inout SectionBytes) throws -> Void) throws {
            guard let offset = sections[id] else { return }
            var bytes = try section(id, what, at: offset)
            try body(&bytes)
        }
        try read(Option.headerInfo, "the description of pages") { try readPageHead(&$0) }
        try read(Option.ftraceFormats, "the formats of ftrace's events") { try readFtraceFormats(&$0) }
        try read(Option.formats, "the formats of events") { try readFormats(&$0) }
        try read(Option.comms, "the names of tasks") { try readComms(&$0) }
        symbols = sections[Option.symbols].map { ($0, true) }
        for var buffer in buffers { try readBuffer(&buffer) }
    }

    /// Where the pages of an instance are, in version 7.
    private mutating func readBuffer(_ option: inout SectionBytes) throws {
        let offset = try option.number(UInt64.self)
        _ = try option.text()
        _ = try option.text()
        let pageBytes = Int(try option.number(UInt32.self))
        let count = Int(try option.number(UInt32.self))
        var header = SectionBytes(file, "the pages", from: offset)
        guard try header.number(UInt16.self) == Option.buffer else {
            throw file.damaged(at: offset, "the pages should be here and are not")
        }
        let isCompressed = try header.number(UInt16.self) & 1 != 0
        var places: [(number: Int, offset: UInt64, size: UInt64)] = []
        guard count <= Self.processorLimit else { throw file.damaged(at: offset, "\(count) processors") }
        for _ in 0..<count {
            let number = Int(try option.number(UInt32.self))
            try places.append((number, option.number(UInt64.self), option.number(UInt64.self)))
        }
        // In the order of their numbers, as in trace-cmd.
        for place in places.sorted(by: { $0.number < $1.number }) {
            try add(
                place.number, offset: place.offset, size: place.size, pageBytes: pageBytes,
                isCompressed: isCompressed)
        }
    }

    private mutating func add(_ number: Int, offset: UInt64, size: UInt64, pageBytes: Int, isCompressed: Bool) throws {
        guard size > 0 else { return }
        guard Self.pageSizes ~= pageBytes, processors.count < Self.processorLimit else {
            throw file.damaged(at: offset, "pages of \(pageBytes) bytes for \(processors.count) processors and more")
        }
        processors.append(
            ProcessorPlace(
                number: number, offset: offset, size: size, pageBytes: pageBytes, isCompressed: isCompressed))
    }

    // MARK: Options and sections

    /// Numbers of options, and of the sections whose places they contain.
    private enum Option {
        static let done: UInt16 = 0
        static let date: UInt16 = 1
        static let buffer: UInt16 = 3
        static let clock: UInt16 = 4
        static let uname: UInt16 = 5
        static let offset: UInt16 = 7
        static let processors: UInt16 = 8
        static let timeShift: UInt16 = 12
        static let cycles: UInt16 = 14
        static let headerInfo: UInt16 = 16
        static let ftraceFormats: UInt16 = 17
        static let formats: UInt16 = 18
        static let symbols: UInt16 = 19
        static let comms: UInt16 = 21
        static let bufferText: UInt16 = 22
    }

    private func section(_ id: UInt16, _ what: String, at offset: UInt64) throws -> SectionBytes {
        try SectionBytes(file, what, id: id, at: offset, by: decompressor)
    }

    private func option(_ id: UInt16, _ bytes: inout SectionBytes) throws -> SectionBytes {
        let size = Int(try bytes.number(UInt32.self))
        guard size <= Self.formatLimit else { throw file.damaged(at: 0, "option \(id) has \(size) bytes") }
        return SectionBytes(file, "option \(id)", held: try bytes.bytes(size))
    }

    private mutating func readOption(_ id: UInt16, _ option: inout SectionBytes) throws {
        switch id {
        case Option.date, Option.offset, Option.timeShift, Option.cycles:
            throw TraceData.Unfamiliar("times that have to be converted")
        case Option.bufferText: throw TraceData.Unfamiliar("a text of the latency format")
        case Option.clock:
            // "local global counter [mono] x86-tsc": the one in brackets.
            let names = try option.text(limit: 1024)
            guard let open = names.firstIndex(of: "["), let close = names[open...].firstIndex(of: "]") else { return }
            hasCountsForTimes = !Self.clocksOfNanoseconds.contains(String(names[names.index(after: open)..<close]))
        case Option.uname:
            // "Linux host 6.12.0 x86_64"
            let words = try option.text(limit: 1024).split(separator: " ")
            guard words.count > 2 else { return }
            (host, release) = (RunInfo.host(named: String(words[1])), String(words[2].prefix(64)))
        default: break
        }
    }

    private func readPageHead(_ bytes: inout SectionBytes) throws {
        guard try bytes.text() == "header_page" else {
            throw file.damaged(at: 0, "the description of pages is missing")
        }
        let page = FormatDescription(try bytes.counted(limit: Self.formatLimit))
        guard page["timestamp"]?.size == 8, page["timestamp"]?.offset == 0, page["commit"]?.offset == 8,
            page["commit"]?.size == 8, page["data"]?.offset == 16
        else { throw TraceData.Unfamiliar("pages as no 64-bit kernel has them") }
        _ = try bytes.text()
        _ = try bytes.counted(limit: Self.formatLimit)
    }

    private mutating func readFtraceFormats(_ bytes: inout SectionBytes) throws {
        for _ in 0..<(try bytes.number(UInt32.self)) { try readFormat(&bytes) }
    }

    private mutating func readFormats(_ bytes: inout SectionBytes) throws {
        for _ in 0..<(try bytes.number(UInt32.self)) {
            _ = try bytes.text()
            for _ in 0..<(try bytes.number(UInt32.self)) { try readFormat(&bytes) }
        }
    }

    private mutating func readFormat(_ bytes: inout SectionBytes) throws {
        guard formats.add(try bytes.counted(limit: Self.formatLimit), names: names) else {
            throw TraceData.Unfamiliar("events as no known kernel has them")
        }
    }

    /// "1234 name" in each line.
    private mutating func readComms(_ bytes: inout SectionBytes) throws {
        let text = try bytes.paddedText(bytes.number(UInt64.self))
        TraceText.reading(padded: text) { text in
            var begin = 0
            while begin < text.count {
                let end = text.first("\n", in: begin..<text.count) ?? text.count
                var scanner = Scanner(bytes: text, position: begin, end: end)
                _ = scanner.skipBlanks()
                if let tid = scanner.decimal().flatMap(UInt32.init(exactly:)), scanner.skipBlanks() {
                    comms[tid] = Comm(text, scanner.position..<end)
                }
                begin = end + 1
            }
        }
        // The name that trace-cmd gives to the idle task.
        comms[0] = Comm("<idle>")
    }

    /// The functions of the kernel; nil where the file has none.
    func readSymbols() throws -> KernelSymbols? {
        guard let symbols else { return nil }
        let what = "the kernel's symbols"
        var bytes =
            try symbols.isSection
            ? section(Option.symbols, what, at: symbols.begin) : SectionBytes(file, what, from: symbols.begin)
        let text = try bytes.paddedText(UInt64(bytes.number(UInt32.self)))
        return KernelSymbols(kallsyms: text, names: names)
    }
}

extension Comm {
    /// The first fifteen bytes of a text.
    init(_ text: TraceText, _ range: Range<Int>) {
        let length = min(range.count, 15)
        self.init(
            low: text.word(at: range.lowerBound, count: length),
            high: text.word(at: range.lowerBound + 8, count: length - 8))
    }
}
