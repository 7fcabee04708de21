// SPDX-License-Identifier: Apache-2.0

// The terminal of a live view: its alternate screen, its keys and its size. At the end of the run, whatever ends it, the
// terminal is as it was before. A frame is one write that overwrites the last frame, so that nothing flickers.

internal import Glibc
internal import Presentation
internal import System

/// A terminal that shows frames. The first frame changes the terminal.
final class LiveScreen {
    /// The minimum interval between two frames.
    private static let intervalNs: UInt64 = 250_000_000

    private let output: OutputFile
    private let colour: Bool
    /// The settings before; nil where standard input is no terminal.
    private var before: termios?
    private var isEntered = false
    private var isPaused = false
    private var isDue = true
    private var lastNs: UInt64 = 0
    private var hasKeys: Bool

    /// - Throws: why this terminal cannot show a screen.
    static func check() throws {
        guard OutputFile.standardOutput.isTerminal else {
            throw CommandError.usage(
                "cannot show --live: standard output is no terminal; expected a terminal, or leave out --live")
        }
        let type = ThisProcess.environment("TERM") ?? ""
        guard !type.isEmpty, type != "dumb" else {
            throw CommandError.usage(
                "cannot show --live on this terminal (TERM=\(type)): it cannot overwrite lines; leave out --live")
        }
    }

    init(on output: OutputFile) {
        self.output = output
        colour = output.wantsColour
        hasKeys = isatty(0) == 1
    }

    deinit { leave() }

    /// Readable when a key was pressed; nil where standard input is no terminal.
    var keyDescriptor: Int32? { hasKeys ? 0 : nil }

    // MARK: Keys

    /// Handles the keys that were pressed; false when the user ends the run.
    func takeKeys() -> Bool {
        guard hasKeys else { return true }
        var waiting = pollfd(fd: 0, events: Int16(POLLIN), revents: 0)
        while unsafe poll(&waiting, 1, 0) > 0 {
            var key: UInt8 = 0
            // One byte into a variable of one byte.
            let count = unsafe read(0, &key, 1)
            if count < 0, errno == EINTR || errno == EAGAIN { continue }
            // The terminal has gone.
            guard count > 0 else { return false }
            switch key {
            case UInt8(ascii: "q"), UInt8(ascii: "Q"): return false
            case UInt8(ascii: "p"), UInt8(ascii: "P"): (isPaused, isDue) = (!isPaused, true)
            default: break
            }
        }
        return true
    }

    // MARK: Frames

    /// Draws the frame, unless the minimum interval has not passed or the view is paused.
    func redraw(
        _ frame: (_ size: (columns: Int, rows: Int), _ now: UInt64, _ isPaused: Bool, _ colour: Bool) -> [String]
    ) throws(OutputFile.WriteError) {
        let now = Clock.monotonicNs
        guard isDue || !isPaused && now - lastNs >= Self.intervalNs else { return }
        let size = output.size ?? (80, 24)
        (lastNs, isDue) = (now, false)
        var text = isEntered ? "" : enter()
        text += "\u{1b}[H"
        let lines = frame((size.columns, size.rows > 0 ? size.rows : 24), now, isPaused, colour)
        // Each line erases the rest of the old line; the last has no line end, which would scroll.
        text += lines.map { $0 + "\u{1b}[K" }.joined(separator: "\r\n") + "\u{1b}[J"
        try output.write(text)
    }

    /// From now on keys arrive one by one and without echo. The keys for stop and quit do nothing, because they would not
    /// restore the screen; Ctrl-C ends the run as usual.
    private func enter() -> String {
        isEntered = true
        Messages.hold()
        var terminal = termios()
        if hasKeys, unsafe tcgetattr(0, &terminal) == 0 {
            before = terminal
            terminal.c_lflag &= ~tcflag_t(ICANON | ECHO)
            // The characters are a tuple in Swift; each constant lies within it.
            unsafe withUnsafeMutableBytes(of: &terminal.c_cc) { characters in
                for (place, value) in [(VMIN, 1), (VTIME, 0), (VQUIT, 0), (VSUSP, 0)] as [(Int32, UInt8)] {
                    unsafe characters[Int(place)] = value
                }
            }
            unsafe tcsetattr(0, TCSANOW, &terminal)
        }
        return "\u{1b}[?1049h\u{1b}[?25l"
    }

    /// Restores the terminal. Harmless when called again.
    func leave() {
        guard isEntered else { return }
        isEntered = false
        try? output.write("\u{1b}[?25h\u{1b}[?1049l")
        if var terminal = before { unsafe tcsetattr(0, TCSAFLUSH, &terminal) }
        before = nil
        Messages.release()
    }
}
