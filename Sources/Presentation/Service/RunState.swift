// SPDX-License-Identifier: Apache-2.0

// The state of a run in progress, as a service shows it: everything that the report of a finished run has, the loops in
// progress, and the latest findings.

public import Correlation
import Events

/// The state at one moment.
public struct RunState: Sendable {
    /// Losses and findings up to now, and the counters that were read last.
    public var report: RunReport
    public var loops: [LoopsInProgress.Loop]
    public var legend: Legend
    /// The newest first.
    public var latest: [Finding]
    /// Findings of the last hour.
    public var rates = RecentRates()
    /// Why the probes see nothing any more; nil while they do.
    public var blindness: String?
    /// Findings that could not be written to their output.
    public var findingsNotWritten: UInt64 = 0

    public init(report: RunReport, loops: [LoopsInProgress.Loop], legend: Legend, latest: [Finding] = []) {
        (self.report, self.loops, self.legend, self.latest) = (report, loops, legend, latest)
    }

    /// Nanoseconds since 1970 when all was attached; 0 while nothing was counted.
    var startEpochNs: UInt64 {
        let totals = report.totals
        return UInt64(max(0, legend.clock.epochNs(totals.time &- totals.durationNs)))
    }
}

/// The service beside the run: the resources that the process uses, and its requests.
public struct ServiceFacts: Sendable, Equatable {
    public var version: String
    public var cpuTimeNs: UInt64 = 0
    public var residentBytes: UInt64 = 0
    public var openDescriptors: UInt64 = 0
    /// Nanoseconds since 1970.
    public var processStartNs: UInt64 = 0
    /// Answers by status code; codes that can occur are there with 0.
    public var answers: [Int: UInt64] = [:]
    public var connectionsRefused: UInt64 = 0

    public init(version: String) { self.version = version }
}
