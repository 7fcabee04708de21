// SPDX-License-Identifier: Apache-2.0

import Correlation
import EventSamples
import Events
import Pipeline

@testable import Presentation

/// The run of `Story` once it is over, with the operations that a recording has beside the findings.
extension Story {
    static let origin = ReportOrigin(source: "run-1.ctf", filters: "--since +0s")

    /// Where a report comes from besides its events.
    static let recorded = RunInfo(
        kernelRelease: "6.12.0-test", host: "db-1", id: run.id, probes: probes, wallClockOffsetNs: clock.offsetNs,
        filters: "-n app")

    static let activities: [Event] = {
        func operation(_ kind: ActivityKind, end: UInt64, durationNs: UInt64?, _ task: TaskIdentity = .culprit) -> Event
        {
            .activity(Activity(time: end, kind: kind, task: task, durationNs: durationNs, pages: 1))
        }
        let kswapd = TaskIdentity(pid: 88, tid: 88, comm: Comm("kswapd0"))
        return [
            operation(.directIOInvalidation, end: 1_000_900, durationNs: 20_000),
            operation(.truncate, end: 3_000_200, durationNs: 10_000),
            operation(.reclaim, end: 3_800_000, durationNs: nil, kswapd),
            operation(.reclaim, end: 4_300_000, durationNs: 500_000, kswapd),
            operation(.dropCaches, end: 25_000_000_000, durationNs: nil),
            operation(.dropCaches, end: 26_834_000_000, durationNs: 1_834_000_000),
            operation(.reclaim, end: 55_000_000_000, durationNs: nil, kswapd),
        ]
    }()

    /// The report of a run in one format.
    static func reported(
        _ format: any FindingFormat, events: [Event] = activities + events, run: RunInfo = recorded,
        totals: Totals = totals,
        omissions: [Omission] = [
            Omission(place: "stream_0, offset 4096", what: "the packet's checksum is wrong")
        ]
    ) -> [UInt8] {
        var totals = totals
        totals.time = 60_000_500_000
        var stream = FindingStream(format: format, correlator: Correlator(), run: run, analysis: Analysis())
        _ = stream.take(events + [.totals(totals)])
        _ = stream.end(omissions: omissions)
        return stream.takeBytes()
    }
}
