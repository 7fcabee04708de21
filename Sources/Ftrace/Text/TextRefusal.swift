// SPDX-License-Identifier: Apache-2.0

// Why nothing can be concluded from a text, in one line: what it seems to be, and what to do.

internal import Events

/// What is known of a text without a single event that is needed.
struct TextRefusal {
    let name: String
    /// Up to which it was read.
    let line: UInt64
    /// "it", or how much of it was read.
    let part: String
    let isEmpty: Bool
    let tracer: String?
    let systemCalls: UInt64
    /// Lines of a trace.
    let heads: UInt64
    /// Events that are needed and were not whole.
    let damaged: Omission?

    var error: SourceError {
        let place = "\(name), line \(line)"
        let advice = RecipeMark.advice
        if isEmpty { return SourceError("\(name) is empty; expected the text of a trace; \(advice)") }
        if let tracer, tracer.hasPrefix("function"), systemCalls == 0 {
            return SourceError(
                "\(place): this is text of the \(tracer) tracer, which carries neither arguments nor pages; \(advice)")
        }
        if systemCalls > 0 {
            return SourceError(
                "\(place): the only futex events are sys_enter_futex and sys_exit_futex, which do not show which page was met; \(advice)"
            )
        }
        if let damaged {
            return SourceError(
                "\(damaged.place): \(damaged.what), and no other event that is needed: their lines were cut or have something else in them; expected the text as the kernel, trace-cmd or `perf script` prints it; \(advice)"
            )
        }
        if heads > 0 {
            return SourceError(
                "\(place): \(part) has lines of a trace, but none of an event that is needed, such as fs_lookup or fs_detach; \(advice)"
            )
        }
        return SourceError(
            "\(place): nothing in \(part) is a line of a trace; expected the text of tracefs, `trace-cmd report` or a console; \(advice)"
        )
    }
}
