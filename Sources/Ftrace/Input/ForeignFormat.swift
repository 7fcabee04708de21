// SPDX-License-Identifier: Apache-2.0

// Files in a format that futexscope does not read. The error names the format, and either how to make a text of it that
// can be read, or why that is not possible.

import Events

/// A format that is not read, known by its first bytes.
public struct ForeignFormat: Sendable, Equatable {
    /// A phrase such as "compressed with bzip2" or "a zip archive".
    public let what: String
    /// What to do, as a clause, such as "decompress it: `bzip2 -dc FILE | futexscope report -`".
    public let advice: String

    /// Number of bytes from the begin of a file that `init` needs.
    public static let headBytes = 4096

    /// Recognizes a format by the first bytes of a file. Nil when they belong to no known format.
    public init?(of head: [UInt8]) {
        if head.dropFirst(257).starts(with: "ustar".utf8) {
            (what, advice) = ("a tar archive", Self.piped("take each text out of it", "tar -xOf FILE MEMBER"))
            return
        }
        let known = Self.magics.first { head.starts(with: $0.magic) }
        if let known {
            (what, advice) = (known.what, known.advice)
            return
        }
        let text = String(decoding: head.prefix(Self.headBytes).drop { $0 <= 0x20 }, as: UTF8.self)
        let lower = text.lowercased()
        let isOwnJSON = text.hasPrefix("{\"type\":\"") && text.has("\"time_ns\":")
        let isOwnPage = HTMLDecoder.begins(lower) && lower.has("<title>futexscope")
        let isOwn = Self.ownBegins.contains(where: text.hasPrefix) || isOwnJSON || isOwnPage
        // The text of a trace may stand behind a report.
        if isOwn, !text.has(": fs_") {
            what = "an export or a page of futexscope"
            advice = "name the recording or the text that it was made of"
        } else if HTMLDecoder.begins(lower) {
            // A page with the text itself is read, by `HTMLDecoder`.
            if lower.has("<pre") || text.has(": fs_") { return nil }
            what = "a page in HTML, perhaps of systrace or catapult"
            advice =
                "take the text out of it: the lines between <script class=\"trace-data\"> and </script>, or what a browser shows"
        } else if text.has("\"traceEvents\":") || (text.hasPrefix("[") && text.has("\"ph\":")) {
            what = "a trace in Chrome's JSON"
            advice = "it has no kernel arguments: \(RecipeMark.advice)"
        } else if text.has("\"linux-perf-json-version\"") {
            what = "the JSON of `perf data convert`"
            advice = Self.piped("print the recording itself", "perf script -i FILE")
        } else if text.hasPrefix("/* CTF ") {
            what = "the metadata of a Common Trace Format"
            advice =
                "name the directory of a recording of futexscope; one of LTTng has no events of get_futex_key(): \(RecipeMark.advice)"
        } else if head.starts(with: [0x0a]), head.count > 16, Self.isPerfetto(head) {
            what = "a trace of Perfetto"
            advice = "convert it with `traceconv systrace FILE FILE.txt`"
        } else {
            return nil
        }
    }

    /// How exported rows begin.
    private static let ownBegins = ["type,time,time_ns,", "time,time_ns,"]

    /// Advice to pipe the output of `command` into a report.
    private static func piped(_ what: String, _ command: String) -> String {
        "\(what): `\(command) | futexscope report -`"
    }

    private static let magics: [(magic: [UInt8], what: String, advice: String)] =
        packed + networkCaptures + [
            (
                // What follows the first line is of zlib; without compression it is the text of tracefs.
                Array("TRACE:\nx".utf8) + [0x9c], "a compressed trace of Android's atrace (ctrace)",
                "decompress what follows the first line with zlib, such as `tail -c +8 FILE | zlib-flate -uncompress | futexscope report -`"
            ),
            (
                [0xc1, 0x1f, 0xfc, 0xc1], "a stream of a Common Trace Format",
                "name the directory of a recording of futexscope; one of LTTng has no events of get_futex_key(): \(RecipeMark.advice)"
            ),
            (
                [0x75, 0xd1, 0x1d, 0x57], "packets of Common Trace Format metadata, as LTTng writes them",
                "LTTng has no events of get_futex_key(): \(RecipeMark.advice)"
            ),
            (
                [0x57, 0x1d, 0xd1, 0x75], "packets of Common Trace Format metadata, as LTTng writes them",
                "LTTng has no events of get_futex_key(): \(RecipeMark.advice)"
            ),
            (
                [0x7f] + Array("ELF".utf8), "an ELF file, perhaps a crash dump",
                "take the trace out of a dump with crash: `extend trace.so`, then `trace show > FILE.txt`"
            ),
            (
                Array("KDUMP   ".utf8), "a crash dump of kdump",
                "take the trace out of it with crash: `extend trace.so`, then `trace show > FILE.txt`"
            ),
        ]

    /// Archives, other compressions, and files of other programs that may contain a trace.
    private static let packed: [(magic: [UInt8], what: String, advice: String)] = [
        (Array("BZh".utf8), "compressed with bzip2", piped("decompress it", "bzip2 -dc FILE")),
        ([0x04, 0x22, 0x4d, 0x18], "compressed with lz4", piped("decompress it", "lz4 -dc FILE")),
        ([0x02, 0x21, 0x4c, 0x18], "compressed with lz4", piped("decompress it", "lz4 -dc FILE")),
        (Array("PK\u{3}\u{4}".utf8), "a zip archive", piped("decompress it", "unzip -p FILE")),
        ([0x37, 0x7a, 0xbc, 0xaf], "a 7z archive", piped("decompress it", "7z x -so FILE")),
        (Array("Rar!".utf8), "a rar archive", piped("decompress it", "unrar p -inul FILE")),
        ([0x1f, 0x9d], "compressed with compress", piped("decompress it", "gzip -dc FILE")),
        ([0x5d, 0x00, 0x00], "compressed with lzma", piped("decompress it", "xz -dc FILE")),
        (Array("LZIP".utf8), "compressed with lzip", piped("decompress it", "lzip -dc FILE")),
        ([0x89, 0x4c, 0x5a, 0x4f], "compressed with lzop", piped("decompress it", "lzop -dc FILE")),
        (Array("!<arch>".utf8), "an ar archive or a package", piped("take the text out of it", "ar p FILE MEMBER")),
        (
            Array("LPKSHHRH".utf8), "a journal of systemd",
            piped("print it", "journalctl --file FILE -k -o short-monotonic")
        ),
        ([0x89, 0x50, 0x4e, 0x47], "a picture", "a report takes the text itself"),
        ([0xff, 0xd8, 0xff], "a picture", "a report takes the text itself"),
        (Array("%PDF-".utf8), "a PDF", piped("take the text out of it", "pdftotext -layout FILE -")),
        (
            Array("makedumpfile".utf8), "a flattened crash dump",
            "make a dump of it with `makedumpfile -R`, and take the trace out of that with crash: `extend trace.so`, then `trace show > FILE.txt`"
        ),
        (
            Array("PERFFILE".utf8), "a recording of an old perf",
            piped("print it where it was recorded", "perf script -i FILE")
        ),
    ]

    /// pcapng, and pcap of both byte orders, with microseconds and with nanoseconds.
    private static let networkCaptures: [(magic: [UInt8], what: String, advice: String)] = [
        [0x0a, 0x0d, 0x0d, 0x0a], [0xd4, 0xc3, 0xb2, 0xa1], [0xa1, 0xb2, 0xc3, 0xd4], [0x4d, 0x3c, 0xb2, 0xa1],
        [0xa1, 0xb2, 0x3c, 0x4d],
    ].map { magic in
        (
            magic, "a capture of a network (\(magic[0] == 0x0a ? "pcapng" : "pcap"))",
            "print what netconsole has sent, such as with tshark, and report that"
        )
    }

    /// A Perfetto trace is a sequence of packets of field 1: each begins with 0x0a and its length.
    private static func isPerfetto(_ head: [UInt8]) -> Bool {
        var (place, packets) = (0, 0)
        while place < head.count, packets < 3 {
            guard head[place] == 0x0a else { return false }
            var (length, shift) = (0, 0)
            place += 1
            repeat {
                guard place < head.count, shift < 35 else { return packets > 0 }
                length |= Int(head[place] & 0x7f) << shift
                (shift, place) = (shift + 7, place + 1)
            } while head[place - 1] & 0x80 != 0
            guard length > 0 else { return false }
            (place, packets) = (place + length, packets + 1)
        }
        // One long packet alone is weak evidence, so a zero is required, which no text has.
        return packets > 0 && head.contains(0)
    }
}

/// A recording of perf ("perf.data"). Only perf itself can print it as a text.
public enum PerfData {
    /// The first bytes of such a file.
    public static let magic = Array("PERFILE2".utf8)

    /// The program that prints the recording at `path`, and its arguments.
    public static func command(for path: String) -> [String] {
        [
            "perf", "script", "--header", "--show-lost-events", "--ns", "-i", path, "-F",
            "trace:comm,pid,tid,cpu,time,event,ip,sym,trace",
        ]
    }

    /// The message where perf is not installed. `path` is that of the recording.
    public static func notInstalled(_ path: String) -> String {
        "\(path) is a recording of perf, and perf, which has to print it, is not installed: install the Debian package linux-perf, or make its text with `perf script` where it was recorded"
    }
}
