// SPDX-License-Identifier: Apache-2.0

/// What one run did and what came of it, as far as user space can tell, and how that is written.
/// Retries inside the kernel do not show here: a call that was retried returns once.
public struct ProvocationReport: Equatable, Sendable {
    public struct Task: Equatable, Sendable {
        public var pid: Int32
        public var tid: Int32
    }

    public struct File: Equatable, Sendable {
        public var path: String
        /// "MAJ:MIN" of the file system, or of the device itself if the futex was on a device.
        public var device: String
        public var inode: UInt64
    }

    public struct Evidence: Equatable, Sendable {
        public var name: String
        public var growth: Int
    }

    public var cause: Cause
    /// Futex calls that came back: the sum of the next three.
    public var calls: Int
    public var succeeded: Int
    public var efault: Int
    public var otherErrors: Int
    /// Of `efault`, those during which the file was too short all the time, so that there was no
    /// page to pin.  A lower bound: of the others user space cannot tell.
    public var efaultBeyondEnd: Int
    /// What the disturber did, and what it tried in vain.
    public var operations: Int
    public var operationsFailed: Int
    public var victim: Task
    /// Nil where nobody has to do anything.
    public var culprit: Task?
    public var file: File?
    /// From the victim's first call to its last.
    public var durationNs: Int
    /// Counters that show that the operations had an effect, and by how much they grew.
    public var evidence: [Evidence]
    /// What a reader must know to judge the figures, one sentence each.
    public var notes: [String]

    /// One compact line, without a newline at its end; `null` for what the cause does not have.
    public var json: String {
        func object(_ pairs: [(String, String)]) -> String {
            "{" + pairs.map { "\(Self.quoted($0.0)):\($0.1)" }.joined(separator: ",") + "}"
        }
        func task(_ task: Task?) -> String {
            task.map { object([("pid", "\($0.pid)"), ("tid", "\($0.tid)")]) } ?? "null"
        }
        return object([
            ("type", Self.quoted("provocation")),
            ("cause", Self.quoted(cause.rawValue)),
            ("calls", "\(calls)"),
            ("succeeded", "\(succeeded)"),
            ("efault", "\(efault)"),
            ("other_errors", "\(otherErrors)"),
            ("operations", "\(operations)"),
            ("victim", task(victim)),
            ("culprit", task(culprit)),
            ("path", file.map { Self.quoted($0.path) } ?? "null"),
            ("dev", file.map { Self.quoted($0.device) } ?? "null"),
            ("inode", file.map { Self.number($0.inode) } ?? "null"),
            ("duration_ns", "\(durationNs)"),
            ("efault_beyond_end", "\(efaultBeyondEnd)"),
            ("operations_failed", "\(operationsFailed)"),
            ("evidence", object(evidence.map { ($0.name, "\($0.growth)") })),
            ("notes", "[" + notes.map(Self.quoted).joined(separator: ",") + "]"),
        ])
    }

    /// Lines of a name and a value, without a newline at the end.
    public var text: String {
        var lines = [
            ("cause", cause.rawValue),
            ("calls", "\(calls): \(succeeded) succeeded, \(efault) EFAULT, \(otherErrors) other errors"),
        ]
        if cause == .truncate {
            lines.append(
                ("of EFAULT", "\(efaultBeyondEnd) surely beyond the end of the file, where no page can be pinned"))
        }
        lines.append(("retries", "not visible from user space"))
        if culprit != nil {
            lines.append(("operations", "\(operations), and \(operationsFailed) that could not be done"))
        }
        lines.append(("victim", "pid \(victim.pid) tid \(victim.tid) (\(Role.victim.comm))"))
        if let culprit {
            lines.append(("culprit", "pid \(culprit.pid) tid \(culprit.tid) (\(Role.culprit.comm))"))
        }
        if let file {
            lines.append(("file", "\(Self.printable(file.path)) (device \(file.device), inode \(file.inode)), removed"))
        }
        lines.append(("duration", Self.seconds(durationNs)))
        lines += evidence.map { ("evidence", "\($0.name) +\($0.growth)") }
        lines += notes.map { ("note", Self.printable($0)) }
        return lines.map { name, value in
            name + String(repeating: " ", count: 12 - name.count) + value
        }.joined(separator: "\n")
    }

    /// Six digits after the point, cut.
    private static func seconds(_ ns: Int) -> String {
        let us = String(ns / 1000 % 1_000_000)
        return "\(ns / 1_000_000_000)." + String(repeating: "0", count: 6 - us.count) + us + " s"
    }

    /// As a string above 2^53, beyond which readers of JSON lose digits.
    private static func number(_ value: UInt64) -> String {
        value <= 1 << 53 ? "\(value)" : quoted("\(value)")
    }

    private static func quoted(_ text: String) -> String {
        var result = "\""
        for scalar in text.unicodeScalars {
            switch scalar {
            case "\"": result += "\\\""
            case "\\": result += "\\\\"
            case _ where scalar.value < 0x20 || scalar.value == 0x7f:
                let digits = String(scalar.value, radix: 16)
                result += "\\u" + String(repeating: "0", count: 4 - digits.count) + digits
            default: result.unicodeScalars.append(scalar)
            }
        }
        return result + "\""
    }

    /// A path may hold what a terminal would obey.
    private static func printable(_ text: String) -> String {
        let scalars = text.unicodeScalars.map { $0.properties.generalCategory == .control ? "?" : $0 }
        return String(String.UnicodeScalarView(scalars))
    }
}
