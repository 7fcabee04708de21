// SPDX-License-Identifier: Apache-2.0

// The live view on a terminal: what an emulator shows of it at each moment, and that the terminal is as it was
// when the view has ended, whichever way.

import Foundation
import Testing

@Suite(.enabled(if: Guests.areWanted))
struct ScreenTests {
    /// Loops can be seen where the old rule can come back.
    static let looping = guests.filter { $0.livepatch != nil }
    static let guests =
        Guests.sentinel("screen").map { guest in
            var guest = guest
            (guest.livepatch, guest.program) = (Kernels.required.contains(guest.kernel) ? "retro" : nil, "terminal")
            return guest
        }
    static let python = ProcessInfo.processInfo.environment["FUTEXSCOPE_PYTHON"]

    /// One moment of a terminal.
    struct Moment {
        var action: String
        var value: String
        var lines: [String]
        var isAlternate: Bool
        var isCursorHidden: Bool
        var flickers: Int

        var text: String { lines.joined(separator: "\n") }
    }

    static func moments(_ run: GuestRun, _ log: String, _ columns: Int, _ rows: Int) throws -> [Moment] {
        let reader = GuestRuns.root.appending(path: "readers/screen.py").path
        let path = run.directory.appending(path: log).path
        let shown = try Host.run(try #require(python), [reader, path, "\(columns)", "\(rows)"])
        try #require(shown.status == 0, "\(shown.error)")
        return try String(decoding: shown.output, as: UTF8.self).split(separator: "\n").map { line in
            let object = try #require(try JSONSerialization.jsonObject(with: Data(line.utf8)) as? [String: Any])
            return Moment(
                action: object["action"] as? String ?? "", value: object["value"] as? String ?? "",
                lines: object["lines"] as? [String] ?? [], isAlternate: object["alternate"] as? Bool ?? false,
                isCursorHidden: object["cursor_hidden"] as? Bool ?? false, flickers: object["flickers"] as? Int ?? -1)
        }
    }

    @Test("a loop is on the screen for as long as it lasts", arguments: looping)
    func loop(guest: Guest) async throws {
        let run = try await GuestRuns.shared.run(guest)
        let moments = try Self.moments(run, "wide", 80, 24)
        try #require(moments.count > 5 && moments.prefix(5).map(\.action) == ["wait", "run", "wait", "run", "wait"])
        let victim = try run.words("victim.pid")[0]
        let looping = moments[3]
        let loop = try #require(looping.lines.first { $0.hasPrefix("provoke-victim/\(victim) ") }, "\(looping.text)")
        #expect(loop.contains("zero-page"))
        #expect(looping.text.contains("LOOPING NOW: 1"))
        // Its task was killed meanwhile.
        #expect(moments[5].text.contains("no loop in progress"), "\(moments[5].text)")
    }

    @Test("rates, findings and losses are on one screen, which follows its size and its keys", arguments: guests)
    func view(guest: Guest) async throws {
        let run = try await GuestRuns.shared.run(guest)
        let all = try Self.moments(run, "wide", 80, 24)
        let moments = Array(all.suffix(7))
        try #require(moments.map(\.action) == ["wait", "size", "key", "key", "key", "key", "end"])

        // Before another size; where there is a loop, while it spins.
        let wide = guest.livepatch != nil ? all[3] : moments[1]
        try #require(wide.lines.count == 24)
        #expect(wide.isAlternate)
        #expect(wide.isCursorHidden)
        #expect(wide.lines[0].hasPrefix("futexscope  "))
        #expect(wide.lines[1].hasPrefix("attached: "))
        #expect(wide.lines.contains { $0.hasPrefix("hole-punch ") }, "\(wide.text)")
        #expect(wide.lines.contains { $0.hasPrefix("TIME UTC ") && $0.contains("VICTIM") })
        #expect(wide.lines[22].hasPrefix("lost: "))
        #expect(wide.lines[23] == "q quits  p pauses")

        let small = moments[2]
        try #require(small.lines.count == 15)
        #expect(small.lines.allSatisfy { $0.count < 60 })
        #expect(small.lines[0].hasPrefix("futexscope  "))
        #expect(small.lines[14] == "q quits  p pauses")
        #expect(small.lines.contains { $0.hasPrefix("TIME UTC ") && $0.contains("VICTIM") })

        // Paused, and so it stays.
        #expect(moments[3].lines[14] == "PAUSED  p continues  q quits", "\(moments[3].text)")
        #expect(moments[4].lines == moments[3].lines)
        // Gone on.
        #expect(moments[5].lines[14] == "q quits  p pauses", "\(moments[5].text)")
        #expect(moments[5].lines[0] != moments[4].lines[0])
        #expect(moments[6].flickers == 0)
    }

    @Test(
        "the terminal is as it was after every end", arguments: guests,
        [("wide", 80, 24), ("interrupted", 80, 24), ("terminated", 80, 24), ("plain", 132, 40)]
            as [(String, Int, Int)])
    func restored(guest: Guest, terminal: (log: String, columns: Int, rows: Int)) async throws {
        let run = try await GuestRuns.shared.run(guest)
        let (log, columns, rows) = terminal
        let end = try #require(try Self.moments(run, log, columns, rows).last)
        #expect(end.action == "end")
        #expect(end.value == "0 restored")
        #expect(!end.isAlternate)
        #expect(!end.isCursorHidden)
        // The summary stays.
        #expect(end.text.contains("lost "), "\(end.text)")
    }

    @Test("no colour where none is wanted, and colours elsewhere", arguments: guests)
    func colour(guest: Guest) async throws {
        let run = try await GuestRuns.shared.run(guest)
        #expect(!(try run.text("plain")).contains("\u{1b}[1m"))
        #expect(try run.text("wide").contains("\u{1b}[1m"))
    }

    @Test("without a terminal, and on one that cannot be written over, it says so in one line", arguments: guests)
    func refused(guest: Guest) async throws {
        let run = try await GuestRuns.shared.run(guest)
        #expect(try run.words("file.status") == ["64"])
        #expect(try run.text("file.out").isEmpty)
        #expect(try run.text("file.err").split(separator: "\n").count == 1)
        #expect(try run.text("file.err").contains("standard output is no terminal"))
        #expect(try run.text("dumb").split(separator: "\n").count == 1)
        #expect(try run.text("dumb").contains("(TERM=dumb)"))
        #expect(try run.text("dumb.actions").contains(" end 64 "))
    }

    @Test("what is recorded beside it is whole", arguments: guests)
    func recording(guest: Guest) async throws {
        let run = try await GuestRuns.shared.run(guest)
        let counted = try Babeltrace.count(run.recording("wide"))
        #expect(counted.warnings.isEmpty)
        #expect(counted.events > 0)
    }
}
