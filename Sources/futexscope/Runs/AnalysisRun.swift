// SPDX-License-Identifier: Apache-2.0

// One run of `report` or `export`, from each input to the last byte: events go from the source to the correlator, findings
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

    /// Reads all events of one input and writes them in the format that `format` makes for the run.
    func export(_ input: String, format: (RunInfo, OutputFile) throws -> any FindingFormat) throws {
        try writing { output in
            _ = try read(input, isAnalysed: false, to: &output, format: format)
        }
    }

    /// The same for an analysis of one input after the other; `end` returns what is written after the last of them.
    func analyse(
        _ inputs: [String], format: (String, OutputFile) -> any FindingFormat,
        end: ([ReportedRun], OutputFile) throws -> [UInt8] = { _, _ in [] }
    ) throws {
        try writing { output in
            try RunSource.checkTogether(inputs)
            var runs: [ReportedRun] = []
            for input in inputs where !Interruption.isWanted {
                let run = try read(input, isAnalysed: true, to: &output) { format(input, $1) }
                if let same = runs.first(where: run.isSameRun) {
                    throw CommandError.usage(
                        "cannot report \(same.source) and \(input) together: they are of the same run; expected each run once"
                    )
                }
                runs.append(run)
            }
            if let output { try output.write(try end(runs, output)) }
        }
    }

    /// The output is created when the first input is open, so that an input that cannot be read leaves no file.
    private func writing(_ body: (inout OutputFile?) throws -> Void) throws {
        var output: OutputFile?
        do {
            try body(&output)
        } catch let error as SourceError {
            throw CommandError.running(error.message)
        } catch let error as CommandError {
            // What was written is not whole, and the next attempt is to find no file in its way.
            output?.remove()
            throw error
        } catch OutputFile.WriteError.closed {
            // The reader of the pipe has ended; that is no error.
        } catch OutputFile.WriteError.failed(let reason) {
            throw CommandError.running("cannot write to \(arguments.output ?? "standard output"): \(reason)")
        }
    }

    private func read(
        _ input: String, isAnalysed: Bool, to file: inout OutputFile?,
        format: (RunInfo, OutputFile) throws -> any FindingFormat
    ) throws -> ReportedRun {
        var source = try RunSource.open(input)
        // Times relative to the start need the time of the first event.
        var first: [Event] = []
        var hasMore = try source.read(into: &first)
        let begin = first.lazy.compactMap(\.time).first ?? 0
        let filter = try arguments.filter(for: source.run, begin: begin, input: input)
        let output =
            try file ?? arguments.output.map { try OutputFile.create($0, what: "the output file") } ?? .standardOutput
        file = output
        let format = try format(source.run, output)
        let correlator = Correlator(
            thresholds: arguments.loops(of: source.run),
            emitsAll: source.run.emitsAll && format.showsEveryLookup, pageBytes: source.run.pageBytes,
            filter: filter, keepsProcesses: grouping == .pid)
        let threads = min(CPUs.usable - 1, Self.mostThreads)
        var stream = FindingStream(
            format: format, correlator: correlator, run: source.run,
            analysis: isAnalysed ? Analysis(window: filter.window) : nil, grouping: grouping,
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
        var omissions = source.omissions
        if Interruption.isWanted {
            omissions.append(
                Omission(
                    place: input, what: "reading was interrupted, so the rest is not read", hidesObservations: true))
        } else if !stream.hasFinalCounters, source.run.trigger.isEmpty {
            omissions.append(
                Omission(
                    place: input, what: "the run did not end in the ordinary way, so its last events may be missing",
                    hidesObservations: true))
        }
        let report = stream.end(omissions: omissions)
        if let batch = workers.add(stream.takeBatch()) { try output.write(batch.bytes) }
        while let batch = workers.next() { try output.write(batch.bytes) }
        if let since = arguments.since, filter.window.lowerBound > stream.latestTime {
            Messages.emit("nothing is left: --since \(since.text) is after the last event of \(input)")
        } else if !isAnalysed, let shortfall = stream.shortfall(in: report) {
            Messages.emit(shortfall)
        }
        // Where the format has no place for losses, they are reported on standard error.
        let losses = Loss.Stage.allCases.compactMap { stage in
            report.losses[stage].map { Event.lost(Loss(time: 0, stage: stage, count: $0)) }
        }
        for line in stream.textOfLosses(in: losses) { Messages.emit(line) }
        // Whoever has interrupted it sees that at once.
        if Interruption.isWanted || !showsOmissions {
            for omission in omissions { Messages.emit("\(omission.place): \(omission.what)") }
        }
        return ReportedRun(source: input, report: report, legend: stream.legend)
    }

    private static func text(of progress: SourceProgress) -> String {
        let read = "reading: \(ShortNumber.bytes(progress.bytesRead))"
        guard let all = progress.bytesInAll, all > 0 else { return read }
        return read + " of \(ShortNumber.bytes(all)), \(min(100, all < 100 ? 100 : progress.bytesRead / (all / 100))) %"
    }
}
