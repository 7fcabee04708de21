// SPDX-License-Identifier: Apache-2.0

// A short-lived instance of ftrace that records events of the calling thread and of no other task. It is read as text,
// because it has few events, each with other fields.

internal import CLinux
import Events
import Glibc
import System

/// The instance and its probes.
final class MeasuringInstance {
    /// One recorded event.
    struct Event {
        var name: String
        /// The text after the name.
        var text: Substring

        /// The numbers of a field `name=value` or `name={value,…}`; nil when it has none.
        func numbers(_ field: String) -> [UInt64]? {
            let start = field + "="
            guard let word = text.split(separator: " ").first(where: { $0.hasPrefix(start) }) else { return nil }
            let values = word.dropFirst(start.utf8.count).split { "{},".contains($0) }.map(Self.number)
            return values.contains(nil) ? nil : values.compactMap { $0 }
        }

        func number(_ field: String) -> UInt64? {
            guard let numbers = numbers(field), numbers.count == 1 else { return nil }
            return numbers[0]
        }

        /// The text after a word, because the kernel's own tracepoints write some fields in this way.
        func word(after name: String) -> Substring? {
            let words = text.split(separator: " ")
            return words.firstIndex(of: name[...]).flatMap { $0 + 1 < words.count ? words[$0 + 1] : nil }
        }

        private static func number(_ text: Substring) -> UInt64? {
            if text.hasPrefix("0x") { return UInt64(text.dropFirst(2), radix: 16) }
            return UInt64(text) ?? Int64(text).map { UInt64(bitPattern: $0) }
        }
    }

    private let tracefs: Tracefs
    private let name: String
    private let filter: String
    private var isThere = false
    /// While it is open the kernel lets nobody remove the instance.
    private var buffer: Int32 = -1

    /// - Throws: with exit code 1, with nothing left behind.
    init(_ tracefs: Tracefs) throws(CaptureError) {
        self.tracefs = tracefs
        // If the run is killed, it leaves this instance as it would leave that of a trace.
        name = RunName.own().text
        filter = "common_pid == \(clinux_gettid())"
        try tracefs.makeInstance(name)
        isThere = true
        do throws(CaptureError) {
            buffer = unsafe open(
                "\(tracefs.root)/instances/\(name)/per_cpu/cpu0/trace_pipe_raw", O_RDONLY | O_NONBLOCK | O_CLOEXEC)
            guard buffer >= 0 else {
                throw .failed("read the instance \(name) of ftrace", reason: errorText(errno))
            }
            try set("0", "tracing_on")
            try set("0", "options/context-info")
        } catch {
            remove()
            throw error
        }
    }

    deinit { remove() }

    /// Removes the instance and its probes; harmless when done already.
    func remove() {
        guard isThere else { return }
        isThere = false
        // Somebody who reads the instance keeps it there; its probes are off then.
        for file in ["tracing_on", "events/enable"] { try? set("0", file) }
        if buffer >= 0 { close(buffer) }
        _ = Leftovers.remove(name, from: tracefs)
    }

    private func set(_ text: String, _ file: String) throws(CaptureError) {
        do throws(SystemError) {
            try tracefs.write(text + "\n", to: "instances/\(name)/\(file)")
        } catch {
            throw .failed("write \(text) to \(file) of an instance of ftrace", reason: error.text)
        }
    }

    /// Defines a probe, such as `p` on a function, and switches it on; false when the kernel refuses it.
    func define(_ kind: String, _ event: String, _ place: String, _ arguments: String) throws(CaptureError) -> Bool {
        do throws(SystemError) {
            try tracefs.write(
                "\(kind):\(name)/\(event) \(place) \(arguments)\n", to: "dynamic_events", appending: true)
        } catch {
            return false
        }
        try enable("\(name)/\(event)")
        return true
    }

    /// Removes a probe that `define` has defined.
    func undefine(_ event: String) throws(CaptureError) {
        try set("0", "events/\(name)/\(event)/enable")
        do throws(SystemError) {
            try tracefs.write("-:\(name)/\(event)\n", to: "dynamic_events", appending: true)
        } catch {
            throw .failed("remove the probe \(event)", reason: error.text)
        }
    }

    /// Switches an event on, for this thread alone.
    func enable(_ event: String) throws(CaptureError) {
        try set(filter, "events/\(event)/filter")
        try set("1", "events/\(event)/enable")
    }

    /// The events that are recorded while `action` runs, in the order of time.
    func record(_ action: () -> Void) throws(CaptureError) -> [Event] {
        do throws(SystemError) {
            try tracefs.clear("instances/\(name)/trace")
        } catch {
            throw .failed("empty an instance of ftrace", reason: error.text)
        }
        try set("1", "tracing_on")
        action()
        try set("0", "tracing_on")
        let text = tracefs.text(of: "instances/\(name)/trace") ?? ""
        return text.split(separator: "\n").compactMap { line in
            guard !line.hasPrefix("#"), let colon = line.firstIndex(of: ":") else { return nil }
            let name = line[..<colon].drop { $0 == " " }
            return Event(name: String(name), text: line[line.index(after: colon)...])
        }
    }
}
