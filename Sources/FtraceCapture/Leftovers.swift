// SPDX-License-Identifier: Apache-2.0

// The parts that killed runs have left in tracefs: an instance, and probes that slow the kernel down without use. The
// kernel itself refuses to remove parts that another process uses. So a run that this process cannot see, such as one
// in a container, keeps its parts.

public import Events
import Glibc
import System

/// Finds and removes them.
public enum Leftovers {
    /// Removes the leftovers of killed runs; what cannot be removed stays.
    /// - Returns: a line for each that was there.
    /// - Throws: with exit code 77 when tracefs is not permitted, or nobody here can say which runs were killed.
    public static func remove() throws(CaptureError) -> [String] {
        try ProcessNumbers.require("finding out which runs were killed")
        return remove(from: try Tracefs.find())
    }

    static func remove(from tracefs: Tracefs) -> [String] {
        var found = tracefs.names(in: "instances")
        found += tracefs.names(in: "events").filter { !found.contains($0) }
        return found.compactMap { name in
            guard let run = RunName(name), !run.isAlive else { return nil }
            let reason = remove(name, from: tracefs)
            return reason.map { "cannot remove what process \(run.process) left in tracefs (\(name)): \($0)" }
                ?? "removed what process \(run.process) left in tracefs (\(name))"
        }
    }

    /// Removes an instance and the events of a run.
    /// - Returns: why something stays; nil when nothing does.
    static func remove(_ name: String, from tracefs: Tracefs) -> String? {
        // The instance first: that disables its events and their triggers.
        if unsafe rmdir("\(tracefs.root)/instances/\(name)") != 0, errno != ENOENT {
            return errno == EBUSY ? "it is in use" : errorText(errno)
        }
        var reason: String?
        for event in tracefs.names(in: "events/\(name)") where !["enable", "filter"].contains(event) {
            do throws(SystemError) {
                try tracefs.write("-:\(name)/\(event)\n", to: "dynamic_events", appending: true)
            } catch {
                if !error.isMissing { reason = error.text }
            }
        }
        return reason
    }
}
