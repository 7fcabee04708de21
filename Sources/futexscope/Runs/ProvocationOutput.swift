// SPDX-License-Identifier: Apache-2.0

// The report of `provoke` as text for a reader and as one JSON object for a program. A path can hold anything, so it is
// escaped in both.

internal import Presentation
internal import Provocation

extension ProvocationReport {
    /// One object and a line end; `null` for what the cause does not have.
    var json: [UInt8] {
        JSONWriter.line { object in
            object.word("type", "provocation")
            object.word("cause", cause.rawValue)
            object.count("calls", calls)
            object.count("succeeded", succeeded)
            object.count("efault", efault)
            object.count("other_errors", otherErrors)
            object.count("operations", operations)
            object.task("victim", victim)
            object.task("culprit", culprit)
            object.text("path", file?.path)
            object.word("dev", file?.device)
            object.number("inode", file?.inode)
            object.count("duration_ns", durationNs)
            object.count("efault_beyond_end", efaultBeyondEnd)
            object.count("operations_failed", operationsFailed)
            object.object("evidence") { counters in
                for counter in evidence { counters.count(JSONKey(counter.name), counter.growth) }
            }
            object.texts("notes", notes)
        }
    }

    /// Lines of a name and a value, each with a line end.
    var text: String {
        var lines = [
            ("cause", cause.rawValue),
            ("calls", "\(calls): \(succeeded) succeeded, \(efault) EFAULT, \(otherErrors) other errors"),
        ]
        if cause == .truncate {
            lines.append(
                ("of EFAULT", "\(efaultBeyondEnd) certainly beyond the end of the file, where no page can be pinned"))
        }
        lines.append(("retries", "not visible from user space"))
        if culprit != nil { lines.append(("operations", "\(operations) succeeded, \(operationsFailed) failed")) }
        lines.append(("victim", "pid \(victim.pid) tid \(victim.tid) (\(Role.victim.comm))"))
        if let culprit {
            lines.append(("culprit", "pid \(culprit.pid) tid \(culprit.tid) (\(Role.culprit.comm))"))
        }
        if let file {
            let path = TerminalText.escaped(file.path)
            lines.append(("file", "\(path) (device \(file.device), inode \(file.inode)), removed"))
        }
        lines.append(("duration", Self.seconds(durationNs)))
        lines += evidence.map { ("evidence", "\($0.name) +\($0.growth)") }
        lines += notes.map { ("note", TerminalText.escaped($0)) }
        return lines.map { name, value in
            name + String(repeating: " ", count: 12 - name.count) + value + "\n"
        }.joined()
    }

    /// Six digits after the point, cut.
    private static func seconds(_ ns: Int) -> String {
        let us = String(ns / 1000 % 1_000_000)
        return "\(ns / 1_000_000_000)." + String(repeating: "0", count: 6 - us.count) + us + " s"
    }
}

extension JSONWriter {
    fileprivate mutating func count(_ key: JSONKey, _ value: Int) { number(key, UInt64(max(0, value))) }

    fileprivate mutating func task(_ key: JSONKey, _ task: ProvocationReport.Task?) {
        guard let task else { return null(key) }
        object(key) {
            $0.count("pid", Int(task.pid))
            $0.count("tid", Int(task.tid))
        }
    }
}
