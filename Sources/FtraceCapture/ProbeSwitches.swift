// SPDX-License-Identifier: Apache-2.0

// The switches by which others can turn a run's probes off, so that it would see nothing and say nothing of it: those of its
// own instance, and those of the host for all probes.

import Events
import System

/// Where they are.
struct ProbeSwitches {
    /// Of the whole host: the file, and what it switches. Where a file cannot be read nothing is known.
    static let ofHost = [
        (file: "/sys/kernel/debug/kprobes/enabled", what: "kprobes are"),
        (file: "/proc/sys/kernel/ftrace_enabled", what: "ftrace is"),
    ]

    let tracefs: Tracefs
    /// Of the instance and of the group of its probes.
    let name: String

    /// What is off of the instance or of its events, as a clause; nil when nothing is.
    func firstOff(of events: [String]) -> String? {
        func isOff(_ file: String) -> Bool { tracefs.text(of: "instances/\(name)/\(file)")?.hasPrefix("0") ?? false }
        if isOff("tracing_on") { return "its instance of ftrace is switched off" }
        // "1*" where a trigger is set as well.
        let event = events.first { isOff("events/\(name)/\($0)/enable") }
        return event.map { "its probe \($0) is switched off" } ?? Self.firstOff(of: Self.ofHost)
    }

    /// What is off of the host's switches, as a clause; nil when nothing is.
    static func firstOff(of switches: [(file: String, what: String)]) -> String? {
        switches.first { readText($0.file) == "0" }.map { "\($0.what) switched off on this host (0 in \($0.file))" }
    }

    /// - Throws: with exit code 77 when the host's are off, since probes are taken then and see nothing.
    static func requireOn() throws(CaptureError) {
        guard let off = firstOff(of: ofHost) else { return }
        throw .notPermitted("probes would see nothing, because \(off); write 1 there")
    }
}
