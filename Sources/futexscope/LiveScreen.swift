// SPDX-License-Identifier: Apache-2.0

// The terminal under a live view: its alternate screen, its keys, its size, and everything as it was before
// once the run has ended, in whichever way. A frame is one write, so that nothing flickers, and goes over
// the one before.

internal import Glibc
internal import Presentation

/// A terminal that shows frames. Nothing is changed before the first one.
final class LiveScreen {
    /// Between two frames, however much happens meanwhile.
    private static let intervalNs: UInt64 = 250_000_000

    private let output: Descriptor
    private let colour: Bool
    /// As it was before; nil where keys do not come from a terminal.
    private var before: termios?
    private var isEntered = false
    private var isPaused = false
    private var isDue = true
    private var lastNs: UInt64 = 0
    private var hasKeys: Bool

    /// - Throws: why there can be no screen.
    static func check() throws {
        guard Descriptor.standardOutput.isTerminal else {
            throw CommandFailure.usage(
                "cannot show --live: standard output is no terminal; expected one, or leave --live out")
        }
        let type = Descriptor.environment("TERM") ?? ""
        guard !type.isEmpty, type != "dumb" else {
            throw CommandFailure.usage(
                "cannot show --live on this terminal (TERM=\(type)): it cannot be written over; leave --live out")
        }
    }

    init(on output: Descriptor) {
        self.output = output
        colour = output.wantsColour
        hasKeys = isatty(0) == 1
    }

    deinit { leave() }

    /// Readable when a key was pressed; nil where there are none.
    var keyDescriptor: Int32? { hasKeys ? 0 : nil }

    // MARK: Keys

    /// Obeys the keys that were pressed; false when the run shall end.
    func takeKeys() -> Bool {
        guard hasKeys else { return true }
        var waiting = pollfd(fd: 0, events: Int16(POLLIN), revents: 0)
        while unsafe poll(&waiting, 1, 0) > 0 {
            var key: UInt8 = 0
            // One byte, and there is room for it.
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

    /// Draws what `frame` makes, unless the last frame is too young, or the user wants to look at it.
    func redraw(
        _ frame: (_ size: (columns: Int, rows: Int), _ now: UInt64, _ isPaused: Bool, _ colour: Bool) -> [String]
    ) throws(Descriptor.WriteFailure) {
        let now = Descriptor.monotonicNs
        guard isDue || !isPaused && now - lastNs >= Self.intervalNs else { return }
        let size = output.size ?? (80, 24)
        (lastNs, isDue) = (now, false)
        var text = isEntered ? "" : enter()
        text += "\u{1b}[H"
        let lines = frame((size.columns, size.rows > 0 ? size.rows : 24), now, isPaused, colour)
        // Each line takes away what was behind it, and the last has no line end that would scroll.
        text += lines.map { $0 + "\u{1b}[K" }.joined(separator: "\r\n") + "\u{1b}[J"
        try output.write(text)
    }

    /// Takes the keys one by one and without echo. Stopping or quitting by a key would leave the screen as it
    /// is, so those keys do nothing; Ctrl-C ends the run as ever.
    private func enter() -> String {
        isEntered = true
        Descriptor.hold()
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

    /// Gives the terminal back as it was. Harmless when done already.
    func leave() {
        guard isEntered else { return }
        isEntered = false
        try? output.write("\u{1b}[?25h\u{1b}[?1049l")
        if var terminal = before { unsafe tcsetattr(0, TCSAFLUSH, &terminal) }
        before = nil
        Descriptor.release()
    }
}
