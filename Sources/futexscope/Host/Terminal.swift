// SPDX-License-Identifier: Apache-2.0

// What an output can show: whether it is a terminal, how large it is, whether it has colours, and one status line that
// is overwritten.

internal import Glibc

extension OutputFile {
    var isTerminal: Bool { isatty(descriptor) == 1 }

    /// Columns; nil when this is no terminal or it does not report its size.
    var columns: Int? { size?.columns }

    /// Nil when this is no terminal or it does not report its size.
    var size: (columns: Int, rows: Int)? {
        var size = winsize()
        guard isTerminal, unsafe ioctl(descriptor, UInt(TIOCGWINSZ), &size) == 0, size.ws_col > 0 else { return nil }
        return (Int(size.ws_col), Int(size.ws_row))
    }

    /// Whether to use colours: on a terminal that has them, unless NO_COLOR is set (https://no-color.org).
    var wantsColour: Bool {
        isTerminal && (ThisProcess.environment("NO_COLOR") ?? "").isEmpty
            && ThisProcess.environment("TERM") != "dumb"
    }

    /// Columns for a table: those of the terminal. A file or a pipe gets 160 columns, unless COLUMNS has another number.
    var tableWidth: Int {
        if isTerminal { return columns ?? 80 }
        return ThisProcess.environment("COLUMNS").flatMap(Int.init) ?? 160
    }
}

/// One line on a terminal that is overwritten; nothing where standard error is no terminal.
final class StatusLine {
    private let isShown: Bool
    private let clock = ContinuousClock()
    private let began: ContinuousClock.Instant
    private var last: ContinuousClock.Instant?

    init(isShown: Bool = true) {
        self.isShown = isShown && OutputFile.standardError.isTerminal
        began = clock.now
    }

    /// Shows `text`, at most four times a second and not within the first second.
    func show(_ text: @autoclosure () -> String) {
        guard isShown else { return }
        let now = clock.now
        guard now - began > .seconds(1), last.map({ now - $0 > .milliseconds(250) }) ?? true else { return }
        last = now
        try? OutputFile.standardError.write("\r\u{1b}[K" + text())
    }

    func clear() {
        if last != nil { try? OutputFile.standardError.write("\r\u{1b}[K") }
    }
}
