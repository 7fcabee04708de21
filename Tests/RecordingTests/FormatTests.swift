// SPDX-License-Identifier: Apache-2.0

// Recordings of formats before today's, kept as the programs of their time wrote them.

import EventSamples
import Events
import Foundation
import Testing

@testable import Recording

@Suite("Formats") struct FormatTests {
    private static let samples = URL(filePath: #filePath).deletingLastPathComponent().appending(path: "Samples")

    @Test("a recording of format 1 is read whole; how its files' paths lead to them is not known")
    func formatOne() throws {
        let reader = try RecordingReader(directory: Self.samples.appending(path: "format1").path)
        var events: [Event] = []
        while try reader.read(into: &events) {}
        #expect(reader.omissions == [])
        #expect(reader.run == RunInfo(kernelRelease: "synthetic", host: "nowhere", tellsAll: true))
        var run = SyntheticRun()
        #expect(events.dropLast() == run.next(60)[...])
        guard case .totals(let totals)? = events.last else { return #expect(Bool(false), "no totals at the end") }
        #expect(totals.isFinal)
        #expect(events.contains { if case .name = $0 { true } else { false } })
    }

    @Test("today's format says what format 1 could not", arguments: FileState.allCases)
    func today(state: FileState) throws {
        let scratch = try Scratch()
        let name = Event.name(Name(subject: .file(.data), text: "/x", detail: "xfs", fileState: state))
        try record([[name]], in: scratch.path("run"))
        let reader = try RecordingReader(directory: scratch.path("run"))
        var events: [Event] = []
        while try reader.read(into: &events) {}
        #expect(events == [name])
        #expect(reader.run.trigger == RunInfo.sample.trigger)
    }
}
