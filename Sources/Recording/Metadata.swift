// SPDX-License-Identifier: Apache-2.0

// The metadata of a recording: text in the Trace Stream Description Language of CTF 1.8, so that any CTF reader opens
// it. Layouts come from Fields.swift, words from Words.swift; the run is in the environment and in the clock. Reading
// needs no parser of that language: only the lines of the environment vary, and the text that is made from them again
// must equal the file.

import Events

/// The description of a recording.
struct Metadata: Equatable {
    /// The formats that are read; the newest is written. It is that of the newest layout or word.
    static let formats = 1...max(layoutFormat, Words.newestFormat)
    /// The newest format that changed the layout of records or this text. Format 2 added how a file's path leads to
    /// it, and what a snapshot was written for; format 3 the page size, the words of bits,
    /// the operation of a lookup and call paths.
    private static let layoutFormat = 3
    /// Page sizes that a kernel can have.
    private static let pageSizes: ClosedRange<UInt64> = 4096...1 << 20

    var trace: RunID
    var run: RunInfo
    /// The newest for a recording that is written; that of the file for one that is read.
    var format = formats.upperBound

    // MARK: Writing

    var text: String {
        var text = """
            /* CTF 1.8 */
            /* A recording of futexscope, format \(format); see docs/recording.md. */
            \(bitWords)
            typealias integer { size = 8; align = 8; signed = false; } := uint8_t;
            typealias integer { size = 16; align = 8; signed = false; } := uint16_t;
            typealias integer { size = 32; align = 8; signed = false; } := uint32_t;
            typealias integer { size = 64; align = 8; signed = false; } := uint64_t;
            typealias integer { size = 32; align = 8; signed = true; } := int32_t;
            typealias integer { size = 16; align = 8; signed = false; base = 16; } := xint16_t;
            typealias integer { size = 32; align = 8; signed = false; base = 16; } := xint32_t;
            typealias integer { size = 64; align = 8; signed = false; base = 16; } := xint64_t;
            typealias integer { size = 8; align = 8; signed = false; encoding = UTF8; } := char_t;

            trace {
            \tmajor = 1;
            \tminor = 8;
            \tbyte_order = le;
            \tuuid = "\(trace.text)";
            \tpacket.header := struct {
            \t\tuint32_t magic;
            \t\tuint8_t uuid[16];
            \t\tuint32_t stream_id;
            \t\tuint64_t stream_instance_id;
            \t};
            };

            env {

            """
        for (key, value) in environment { text += "\t\(key) = \(value);\n" }
        text += """
            };

            clock {
            \tname = "monotonic";
            \tdescription = "CLOCK_MONOTONIC; the offset makes it nanoseconds since 1970";
            \tfreq = 1000000000;
            \toffset = \(run.wallClockOffsetNs);
            };

            typealias integer {
            \tsize = 64; align = 8; signed = false; map = clock.monotonic.value;
            } := timestamp_t;

            stream {
            \tid = 0;
            \tpacket.context := struct {
            \t\ttimestamp_t timestamp_begin;
            \t\ttimestamp_t timestamp_end;
            \t\tuint64_t content_size;
            \t\tuint64_t packet_size;
            \t\tuint64_t packet_seq_num;
            \t\tuint64_t events_discarded;
            \t\tuint64_t records_before;
            \t\txint32_t crc32c;
            \t};
            \tevent.header := struct {
            \t\ttimestamp_t timestamp;
            \t\tuint8_t id;
            \t};
            };

            """
        for kind in Words.of(RecordKind.self, in: format) {
            var fields = FieldText(format: format)
            kind.visitBlank(&fields)
            text += """

                event {
                \tname = "\(kind.name)";
                \tid = \(kind.rawValue);
                \tstream_id = 0;
                \tfields := struct {
                \(fields.lines.joined(separator: "\n"))
                \t};
                };

                """
        }
        return text
    }

    /// The bits of fields that are sets, as a comment: the language has no type for such.
    private var bitWords: String {
        format < 3 ? "" : Words.bits(in: format).map { "/* Bits of \($0). */\n" }.joined()
    }

    /// Keys and values in order. Text is quoted; numbers beyond 63 bits are text too.
    private var environment: [(key: String, value: String)] {
        var lines: [(String, String)] = [
            ("tracer_name", Self.quoted("futexscope")), ("futexscope_format", "\(format)"),
        ]
        if let host = run.host { lines.append(("hostname", Self.quoted(host))) }
        if let release = run.kernelRelease { lines.append(("kernel_release", Self.quoted(release))) }
        lines += [
            ("domain", Self.quoted("kernel")), ("filters", Self.quoted(run.filters)),
        ]
        if format >= 2 { lines.append(("trigger", Self.quoted(run.trigger))) }
        if format >= 3 { lines.append(("page_size", "\(run.pageBytes)")) }
        lines += [
            ("page_ids_are_addresses", run.showsKernelAddresses ? "1" : "0"),
            ("every_lookup", run.emitsAll ? "1" : "0"),
            ("loop_passes", Self.quoted("\(run.loops.passes)")),
            ("loop_duration_ns", Self.quoted("\(run.loops.durationNs)")),
        ]
        for (position, probe) in run.probes.enumerated() {
            let parts = [
                probe.role, probe.function ?? "", probe.hook?.rawValue ?? "", probe.isRequired ? "required" : "",
                probe.note ?? "",
            ]
            lines.append(("probe_\(position)", Self.quoted(parts.joined(separator: "|"))))
        }
        return lines
    }

    /// As a string literal; every byte outside printable ASCII is an octal escape.
    private static func quoted(_ text: String) -> String {
        var result = "\""
        for byte in text.utf8 {
            switch byte {
            case UInt8(ascii: "\""), UInt8(ascii: "\\"): result += "\\" + String(UnicodeScalar(byte))
            case 0x20..<0x7f: result += String(UnicodeScalar(byte))
            default:
                let digits = String(byte, radix: 8)
                result += "\\" + String(repeating: "0", count: 3 - digits.utf8.count) + digits
            }
        }
        return result + "\""
    }

    // MARK: Reading

    /// - Throws: what is wrong with the text, and in which line.
    init(parsing text: String, name: String) throws(SourceError) {
        guard text.hasPrefix("/* CTF 1.8 */") else {
            throw SourceError(
                "cannot read \(name): it is no plain-text CTF metadata: it is damaged, or of another program such as LTTng; expected a recording made by futexscope record"
            )
        }
        var values: [Substring: String] = [:]
        for line in text.split(separator: "\n") where line.hasPrefix("\t") && line.hasSuffix(";") {
            let field = line.dropFirst().dropLast()
            guard let sign = field.place(of: " = "), values[field[..<sign.lowerBound]] == nil else { continue }
            values[field[..<sign.lowerBound]] = Self.unquoted(field[sign.upperBound...])
        }
        guard values["tracer_name"] == "futexscope" else {
            let other = values["tracer_name"].map { ", made by \($0.prefix(40).filter { !$0.isNewline })" } ?? ""
            throw SourceError(
                "cannot read \(name): it is a CTF trace of something else\(other); expected a recording made by futexscope record"
            )
        }
        guard let format = values["futexscope_format"].flatMap({ Int($0) }), Self.formats.contains(format) else {
            throw SourceError(
                "cannot read \(name): format \(values["futexscope_format"]?.prefix(20) ?? "unknown"); this futexscope reads formats \(Self.formats.lowerBound) to \(Self.formats.upperBound); use the one that made the recording, or a newer one"
            )
        }
        guard let trace = values["uuid"].flatMap({ RunID($0) }), let offset = values["offset"].flatMap({ Int64($0) })
        else { throw SourceError("cannot read \(name): it has no uuid or no clock; the file is damaged") }
        (self.trace, self.format) = (trace, format)
        run = RunInfo(
            kernelRelease: values["kernel_release"], host: values["hostname"], id: trace, wallClockOffsetNs: offset,
            showsKernelAddresses: values["page_ids_are_addresses"] == "1",
            loops: LoopThresholds(
                passes: values["loop_passes"].flatMap { UInt64($0) } ?? 0,
                durationNs: values["loop_duration_ns"].flatMap { UInt64($0) } ?? 0),
            emitsAll: values["every_lookup"] == "1",
            pageBytes: values["page_size"].flatMap(Self.pageSize) ?? RunInfo.usualPageBytes,
            filters: values["filters"] ?? "", trigger: values["trigger"] ?? "")
        while let probe = values["probe_\(run.probes.count)"].flatMap({ Self.probe($0, format: format) }) {
            run.probes.append(probe)
        }
        if let line = Self.firstDifference(self.text, text) {
            throw SourceError(
                "cannot read \(name), line \(line): it is not what format \(format) has there; the file is damaged"
            )
        }
    }

    private static func pageSize(_ text: String) -> UInt64? {
        UInt64(text).flatMap { pageSizes.contains($0) && $0.nonzeroBitCount == 1 ? $0 : nil }
    }

    private static func probe(_ text: String, format: Int) -> ProbeReport? {
        let parts = text.split(separator: "|", maxSplits: 4, omittingEmptySubsequences: false).map(String.init)
        guard parts.count == 5 else { return nil }
        func filled(_ part: String) -> String? { part.isEmpty ? nil : part }
        return ProbeReport(
            role: parts[0], function: filled(parts[1]),
            hook: Words.of(Hook.self, in: format).first { $0.name == parts[2] },
            isRequired: !parts[3].isEmpty, note: filled(parts[4]))
    }

    private static func unquoted(_ text: Substring) -> String {
        guard text.count >= 2, text.first == "\"", text.last == "\"" else { return String(text) }
        var bytes: [UInt8] = []
        var rest = Array(text.dropFirst().dropLast().utf8)[...]
        while let byte = rest.popFirst() {
            guard byte == UInt8(ascii: "\\") else {
                bytes.append(byte)
                continue
            }
            let digits = String(decoding: rest.prefix(3), as: UTF8.self)
            if let code = UInt8(digits, radix: 8), digits.utf8.count == 3 {
                bytes.append(code)
                rest = rest.dropFirst(3)
            } else if let next = rest.popFirst() {
                bytes.append(next)
            }
        }
        return String(decoding: bytes, as: UTF8.self)
    }

    /// The first line in which two texts differ, counted from 1.
    private static func firstDifference(_ left: String, _ right: String) -> Int? {
        if left == right { return nil }
        let (one, other) = (
            left.split(separator: "\n", omittingEmptySubsequences: false),
            right.split(separator: "\n", omittingEmptySubsequences: false)
        )
        return 1 + (zip(one, other).enumerated().first { $1.0 != $1.1 }?.offset ?? min(one.count, other.count))
    }

    init(trace: RunID, run: RunInfo) { (self.trace, self.run) = (trace, run) }
}

/// The fields of a record as lines of metadata.
struct FieldText: FieldVisitor {
    let format: Int
    private(set) var lines: [String] = []

    init(format: Int) { self.format = format }

    func has(format: Int) -> Bool { self.format >= format }

    mutating func number<Value: FixedWidthInteger & BitwiseCopyable>(
        _ name: StaticString, _ value: inout Value, isHex: Bool
    ) {
        add("\(isHex ? "x" : Value.isSigned ? "" : "u")int\(Value.bitWidth)_t", name)
    }

    mutating func word<Word: NumberedWord>(_ name: StaticString, _ value: inout Word) {
        addWords(of: Word.self, name, first: [])
    }

    mutating func word<Word: NumberedWord>(_ name: StaticString, _ value: inout Word?, none: StaticString) {
        addWords(of: Word.self, name, first: ["\"\(none)\" = 0"])
    }

    private mutating func addWords<Word: NumberedWord>(of type: Word.Type, _ name: StaticString, first: [String]) {
        let words = first + Words.of(type, in: format).map { "\"\($0.name)\" = \($0.number)" }
        add("enum : uint8_t { \(words.joined(separator: ", ")) }", name)
    }

    mutating func comm(_ name: StaticString, _ value: inout Comm) { lines.append("\t\tchar_t _\(name)[16];") }
    mutating func text(_ name: StaticString, _ value: inout String) { add("string", name) }

    /// An underscore before each name: CTF readers take it off, and no name is a word of the language.
    private mutating func add(_ type: String, _ name: StaticString) { lines.append("\t\t\(type) _\(name);") }
}
