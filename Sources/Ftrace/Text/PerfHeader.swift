// SPDX-License-Identifier: Apache-2.0

// What `perf script --header` prints before the events: the host, its kernel, and two clocks at the same moment.

internal import Events

/// Lines of perf's own, each a comment.
enum PerfHeader {
    /// Takes what a line says of the run; false for any other line.
    static func read(_ line: Slice<TraceText>, into run: inout RunInfo) -> Bool {
        func value(_ name: String) -> String? {
            guard line.count < 512, line.starts(with: name.utf8) else { return nil }
            return String(decoding: line.dropFirst(name.utf8.count), as: UTF8.self)
        }
        if let host = value("# hostname : ") {
            run.host = RunInfo.host(named: host)
        } else if let release = value("# os release : ") {
            run.kernelRelease = String(release.prefix(64))
        } else if let moment = value("# reference time: ") {
            // "2026-11-29 09:40:32.724087 = 1795945232.724087 (TOD) = 16.234228653 (monotonic)"
            let words = moment.split(separator: " ")
            guard words.count == 8, words[4] == "(TOD)", words[7] == "(monotonic)",
                let wall = nanoseconds(words[3]), let time = nanoseconds(words[6])
            else { return true }
            run.wallClockOffsetNs = wall - time
        } else {
            return false
        }
        return true
    }

    /// Of seconds with a fraction of up to nine digits; nil for anything else.
    private static func nanoseconds(_ text: Substring) -> Int64? {
        let parts = text.split(separator: ".", omittingEmptySubsequences: false)
        guard parts.count == 2, let seconds = UInt32(parts[0]), parts[1].utf8.count <= 9,
            let fraction = UInt32(parts[1] + String(repeating: "0", count: 9 - parts[1].utf8.count))
        else { return nil }
        return Int64(seconds) * 1_000_000_000 + Int64(fraction)
    }
}
