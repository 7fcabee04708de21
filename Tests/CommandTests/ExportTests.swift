// SPDX-License-Identifier: Apache-2.0

// An export from a recording on disk to a file, with the threads that this machine has CPUs for.

internal import Correlation
internal import EventSamples
internal import Events
import Pipeline
internal import Glibc
internal import Presentation
internal import Recording
internal import Testing

@testable internal import futexscope

@Suite(.serialized) struct ExportTests {
    private static let rows = 20_000

    /// Bytes of a file that the test has created.
    private static func bytes(of path: String) -> [UInt8] {
        let number = unsafe open(path, O_RDONLY)
        defer { close(number) }
        var bytes: [UInt8] = []
        var count = 1
        while count > 0 {
            bytes.append(addingCapacity: 1 << 20) { room in
                unsafe room.withUnsafeMutableBufferPointer { room, filled in
                    // As much as there is room for.
                    count = unsafe read(number, room.baseAddress, room.count)
                    filled = max(0, count)
                }
            }
        }
        return bytes
    }

    @Test(
        "an export has all rows of the run, in order",
        arguments: [["-f", "csv"], ["-f", "json"], ["-f", "json", "--type", "detaches", "--type", "activities"]])
    func whole(options: [String]) throws {
        let place = "/tmp/futexscope-export-\(getpid())"
        let (recording, output) = (place + ".ctf", place + ".rows")
        defer {
            for name in ["/metadata", "/stream_000001"] { unsafe unlink(recording + name) }
            unsafe rmdir(recording)
            unsafe unlink(output)
        }
        var run = SyntheticRun()
        let info = RunInfo(kernelRelease: "synthetic", id: .random(), emitsAll: true)
        let writer = try RecordingWriter(directory: recording)
        try writer.begin(info)
        var totals = Totals()
        (totals.time, totals.isFinal) = (run.time, true)
        let events = run.next(Self.rows) + [.totals(totals)]
        try writer.append(events)
        try writer.finish()

        // An analysis changes the signal handlers of the process.
        var before: [Int32: sigaction] = [:]
        for signal in [SIGINT, SIGTERM] {
            var action = sigaction()
            unsafe sigaction(signal, nil, &action)
            before[signal] = action
        }
        defer { for (signal, var action) in before { unsafe sigaction(signal, &action, nil) } }
        try Export.parse([recording, "-o", output] + options).run()

        let command = try Export.parse([recording] + options)
        let format: any FindingFormat =
            command.format == .csv
            ? CSV() : command.type.isEmpty ? JSONLines() : JSONLines(rows: Set(command.type))
        var stream = FindingStream(
            format: format,
            correlator: Correlator(thresholds: info.loops, emitsAll: format.showsEveryLookup), run: info)
        _ = stream.take(events)
        _ = stream.end()
        let (written, expected) = (Self.bytes(of: output), stream.takeBytes())
        #expect(written.count > 1 << 20)
        // A difference of megabytes is not shown.
        let isSame = written == expected
        #expect(isSame)
    }
}
