// SPDX-License-Identifier: Apache-2.0

// libbpf's log lines, kept instead of printed. The verifier writes hundreds of them; an error shows the
// one that matters.

import CLibbpf
import Events
import Synchronization

/// The lines since the last `begin()`.
enum LibbpfLog {
    private static let lines = Mutex<[String]>([])

    static func begin() {
        unsafe fs_set_log_sink { level, line in
            guard level != Int32(bitPattern: LIBBPF_DEBUG.rawValue), let line = unsafe line else { return }
            let text = unsafe String(cString: line)
            LibbpfLog.lines.withLock { $0.append(text) }
        }
        lines.withLock { $0 = [] }
    }

    static func take() -> [String] {
        lines.withLock { lines in
            defer { lines = [] }
            return lines.flatMap { $0.split(separator: "\n").map(String.init) }
        }
    }
}

extension [String] {
    /// The line with the reason: the verifier's last line before its statistics, else the last warning.
    var verdict: String? {
        let noise = [
            "processed ", "-- BEGIN", "-- END", "libbpf: failed to load", "verification time", "stack depth",
            "libbpf: prog '",
        ]
        let telling = filter { line in !noise.contains { line.hasPrefix($0) } && !line.isEmpty }
        let line = telling.last { !$0.hasPrefix("libbpf:") } ?? last
        guard let line else { return nil }
        return line.hasPrefix("libbpf: ") ? String(line.dropFirst(8)) : line
    }
}

extension String {
    /// The text between `prefix` and the next apostrophe.
    func quoted(after prefix: String) -> String? {
        guard let start = place(of: prefix)?.upperBound else { return nil }
        guard let end = self[start...].firstIndex(of: "'") else { return nil }
        return String(self[start..<end])
    }
}
