// SPDX-License-Identifier: Apache-2.0

// One analysis from opening what is read to the last byte written: source to correlator, findings to a
// format. What the source had to leave out is told in any case.

internal import Correlation
internal import Crew
internal import Events
internal import Pipeline
internal import Presentation

/// The wiring of an analysis after the fact.
struct AnalysisRun {
    /// Finding rows and handing them over takes two fifths of an export, so that a third one would wait.
    private static let mostThreads = 2

    let arguments: AnalysisArguments
    /// Whether the format shows what was left out.
    let showsOmissions: Bool

    /// Reads everything and writes it in a format that is made for the run.
    func run(analysis: Bool, format: (RunInfo, Descriptor) throws -> any FindingFormat) throws {
        do {
            var source = try RunSource.open(arguments.input)
            // Moments that count from the beginning need its time.
            var first: [Event] = []
            var hasMore = try source.read(into: &first)
            let begin = first.lazy.compactMap(\.time).first ?? 0
            let filter = try arguments.filter(for: source.run, begin: begin)
            let output = try arguments.output.map { try OutputFile.create($0, what: "the output file") } ?? .standardOutput
            let format = try format(source.run, output)
            let correlator = Correlator(
                thresholds: arguments.loops(of: source.run),
                tellsAll: source.run.tellsAll && format.showsEveryLookup, filter: filter)
            let threads = min(CPUs.usable - 1, Self.mostThreads)
            var stream = FindingStream(
                format: format, correlator: correlator, run: source.run,
                analysis: analysis ? Analysis(window: filter.window) : nil, leavesRows: threads > 0)
            var crew = Crew(threads: threads) { (batch: consuming RowBatch) in
                batch.writeRows()
                return batch
            }
            let status = StatusLine()
            for event in first { stream.take(event) }
            first = []
            while hasMore {
                if stream.hasBatch, let batch = crew.add(stream.takeBatch()) {
                    try output.write(batch.bytes)
                    stream.giveBack(consume batch)
                }
                status.show(Self.text(of: source.progress))
                hasMore = !Interruption.isWanted ? try source.read(into: &stream) : false
            }
            status.clear()
            let report = stream.end(omissions: source.omissions)
            if let batch = crew.add(stream.takeBatch()) { try output.write(batch.bytes) }
            while let batch = crew.next() { try output.write(batch.bytes) }
            // Where the format has no place for them, losses are told beside it.
            let losses = Loss.Stage.allCases.compactMap { stage in
                report.losses[stage].map { Event.lost(Loss(time: 0, stage: stage, count: $0)) }
            }
            for line in stream.textOfLosses(in: losses) { Descriptor.tell(line) }
            tell(source.omissions)
        } catch let error as SourceError {
            throw CommandFailure.running(error.message)
        } catch Descriptor.WriteFailure.closed {
            // Whoever read it had enough.
        } catch Descriptor.WriteFailure.failed(let reason) {
            throw CommandFailure.running("cannot write to \(arguments.output ?? "standard output"): \(reason)")
        }
    }

    private func tell(_ omissions: [Omission]) {
        if Interruption.isWanted { Descriptor.tell("interrupted: the rest of \(arguments.input) was not read") }
        if showsOmissions { return }
        for omission in omissions { Descriptor.tell("\(omission.place): \(omission.what)") }
    }

    private static func text(of progress: SourceProgress) -> String {
        let read = "reading: \(ShortNumber.bytes(progress.bytesRead))"
        guard let all = progress.bytesInAll, all > 0 else { return read }
        return read + " of \(ShortNumber.bytes(all)), \(min(100, progress.bytesRead * 100 / all)) %"
    }
}
