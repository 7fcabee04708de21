// SPDX-License-Identifier: Apache-2.0

// One run of `report` or `export`, from the input to the last byte: events go from the source to the correlator, findings
// to a format. Parts of the input that could not be read are always reported.

internal import Correlation
internal import OrderedWork
internal import Events
internal import Pipeline
internal import Presentation
internal import System

/// The run of an analysis.
struct AnalysisRun {
    /// Making findings takes two fifths of the time of an export, so a third thread would wait.
    private static let mostThreads = 2

    let arguments: AnalysisArguments
    /// Whether the format shows the parts that could not be read.
    let showsOmissions: Bool
    /// How tables and conclusions put tasks together.
    var grouping = WorkloadGrouping.workload

    /// Reads all events and writes them in the format that `format` makes for the run.
    func run(analysis: Bool, format: (RunInfo, OutputFile) throws -> any FindingFormat) throws {
        do {
            var source = try RunSource.open(arguments.input)
            // Times relative to the start need the time of the first event.
            var first: [Event] = []
            var hasMore = try source.read(into: &first)
            let begin = first.lazy.compactMap(\.time).first ?? 0
            let filter = try arguments.filter(for: source.run, begin: begin)
            let output =
                try arguments.output.map { try OutputFile.create($0, what: "the output file") } ?? .standardOutput
            let format = try format(source.run, output)
            let correlator = Correlator(
                thresholds: arguments.loops(of: source.run),
                tellsAll: source.run.tellsAll && format.showsEveryLookup, pageBytes: source.run.pageBytes,
                filter: filter, keepsProcesses: grouping == .pid)
            let threads = min(CPUs.usable - 1, Self.mostThreads)
            var stream = FindingStream(
                format: format, correlator: correlator, run: source.run,
                analysis: analysis ? Analysis(window: filter.window) : nil, grouping: grouping,
                filters: arguments.filterText,
                leavesRows: threads > 0)
            var workers = OrderedWorkers(threads: threads) { (batch: consuming RowBatch) in
                batch.writeRows()
                return batch
            }
            let status = StatusLine()
            for event in first { stream.take(event) }
            first = []
            while hasMore {
                if stream.hasBatch, let batch = workers.add(stream.takeBatch()) {
                    try output.write(batch.bytes)
                    stream.giveBack(consume batch)
                }
                status.show(Self.text(of: source.progress))
                hasMore = !Interruption.isWanted ? try source.read(into: &stream) : false
            }
            status.clear()
            let report = stream.end(omissions: source.omissions)
            if let batch = workers.add(stream.takeBatch()) { try output.write(batch.bytes) }
            while let batch = workers.next() { try output.write(batch.bytes) }
            if let since = arguments.since, filter.window.lowerBound > stream.latestTime {
                Messages.emit(
                    "nothing is left: --since \(since.text) is after the last event of \(arguments.input)")
            }
            // Where the format has no place for losses, they are reported on standard error.
            let losses = Loss.Stage.allCases.compactMap { stage in
                report.losses[stage].map { Event.lost(Loss(time: 0, stage: stage, count: $0)) }
            }
            for line in stream.textOfLosses(in: losses) { Messages.emit(line) }
            self.report(source.omissions)
        } catch let error as SourceError {
            throw CommandError.running(error.message)
        } catch OutputFile.WriteError.closed {
            // The reader of the pipe has ended; that is no error.
        } catch OutputFile.WriteError.failed(let reason) {
            throw CommandError.running("cannot write to \(arguments.output ?? "standard output"): \(reason)")
        }
    }

    private func report(_ omissions: [Omission]) {
        if Interruption.isWanted { Messages.emit("interrupted: the rest of \(arguments.input) is not read") }
        if showsOmissions { return }
        for omission in omissions { Messages.emit("\(omission.place): \(omission.what)") }
    }

    private static func text(of progress: SourceProgress) -> String {
        let read = "reading: \(ShortNumber.bytes(progress.bytesRead))"
        guard let all = progress.bytesInAll, all > 0 else { return read }
        return read + " of \(ShortNumber.bytes(all)), \(min(100, progress.bytesRead * 100 / all)) %"
    }
}
