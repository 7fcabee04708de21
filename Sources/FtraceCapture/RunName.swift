// SPDX-License-Identifier: Apache-2.0

// The name of a run in tracefs, by which a later run recognizes the leftovers of a killed one: the number of its
// process and the time at which that was started, because numbers of processes are reused.

import Glibc
import System

/// The name of a run's instance, and of the group of its events.
struct RunName: Equatable {
    private static let prefix = "futexscope_"

    let process: Int32
    /// Clock ticks since boot, from /proc/PID/stat.
    let start: UInt64

    var text: String { "\(Self.prefix)\(process)_\(start)" }

    /// Of this process.
    static func own() -> RunName { RunName(process: getpid(), start: start(of: getpid()) ?? 0) }

    private init(process: Int32, start: UInt64) { (self.process, self.start) = (process, start) }

    /// Nil when no run has such a name.
    init?(_ text: String) {
        guard text.hasPrefix(Self.prefix) else { return nil }
        let parts = text.dropFirst(Self.prefix.count).split(separator: "_", omittingEmptySubsequences: false)
        guard parts.count == 2, let process = Int32(parts[0]), let start = UInt64(parts[1]), process > 0 else {
            return nil
        }
        self.init(process: process, start: start)
        guard self.text == text else { return nil }
    }

    /// Whether its process is still there, as far as this one sees it.
    var isAlive: Bool { Self.start(of: process) == start }

    /// Nil when it has ended, also when its parent does not know that yet.
    private static func start(of process: Int32) -> UInt64? {
        // The name of a process may have blanks and parentheses.
        let fields = readText("/proc/\(process)/stat")?.split(separator: ")").last?.split(separator: " ") ?? []
        guard fields.count > 19, !["Z", "X"].contains(fields[0]) else { return nil }
        return UInt64(fields[19])
    }
}
