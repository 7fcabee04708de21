// SPDX-License-Identifier: Apache-2.0

// Lines for the user on standard error. While a live screen covers the terminal they are kept, and shown when the
// screen has gone.

internal import Presentation
internal import Synchronization

/// Messages of this program, in the order in which they are emitted.
enum Messages {
    /// Messages while a screen covers the terminal; nil when none does.
    private static let held = Mutex<[String]?>(nil)

    /// Emits one line. When standard error is closed, the line is lost.
    static func emit(_ message: String) {
        let text = line(message)
        let isHeld = held.withLock { held in
            guard held != nil else { return false }
            held?.append(text)
            return true
        }
        if !isHeld { try? OutputFile.standardError.write(text) }
    }

    /// One line with its end. Characters that a terminal would interpret are escaped, because part of the message may
    /// come from a file or from another task.
    static func line(_ message: String) -> String { "futexscope: \(TerminalText.escaped(message))\n" }

    /// Keeps messages until `release`.
    static func hold() { held.withLock { $0 = $0 ?? [] } }

    /// Emits the messages that were kept.
    static func release() {
        let lines = held.withLock { held in
            defer { held = nil }
            return held ?? []
        }
        for line in lines { try? OutputFile.standardError.write(line) }
    }
}
