// SPDX-License-Identifier: Apache-2.0

// A Perfetto trace of a run: lookups as slices on the tracks of their threads, detaches on those of their culprits,
// activities by kind, and a flow from each detach to the lookups that met it. Events are written as they arrive. Only
// an event without an end is kept, until its end arrives or the run ends.

public import Correlation
public import Events

/// It can be opened in the Perfetto UI and in its trace processor. Times are CLOCK_MONOTONIC with the run's wall clock
/// beside it; annotations have the names of the columns in the CSV of findings. Untrusted text is escaped.
///
/// The trace has the processes and threads, like a trace of the whole system. Lookups and detaches are still on plain
/// tracks, for two reasons. A thread that is victim and culprit would have both on one track, and a detach inside a
/// lookup of its own would look like a part of it. And only plain tracks have an order of their own, victims first.
///
/// Memory is bounded: two counters of 1024 values, 4096 tracks of tasks, 4096 unfinished loops and as many unfinished activities.
/// Events beyond that are on the track `others`, and counted there.
public struct Perfetto: FindingFormat {
    static let openLimit = 4096

    private let run: RunInfo
    private var tracks = PerfettoTracks()
    /// The last progress of lookups that have not returned.
    private var loops: [PerfettoTrack: Finding] = [:]
    private var begun: [PerfettoTrack: Activity] = [:]
    /// Losses without a known time.
    private var undated: [Loss.Stage: UInt64] = [:]
    private var latest: UInt64 = 0
    private var observations = PerfettoRate()
    private var failures = PerfettoRate()
    private var beyondOpenLimit: UInt64 = 0

    public init(of run: RunInfo) {
        self.run = run
    }

    /// Losses are in the trace; the summary has no place in it.
    public var holdsLossesAndSummary: Bool { false }
    public func holds(_ type: RowType) -> Bool { true }

    public func begin(into bytes: inout [UInt8]) {
        Protobuf.append(to: &bytes) {
            $0.clocks(WallClock(of: run))
            if let release = run.kernelRelease { $0.system(kernelRelease: TerminalText.escaped(release)) }
        }
    }

    // MARK: Lookups

    public mutating func write(_ finding: Finding, legend: Legend, into bytes: inout [UInt8]) {
        let track = PerfettoTrack(.victims, task: finding.lookup.victim)
        latest = max(latest, finding.lookup.time)
        if !finding.isProgress {
            if finding.lookup.observations > 0 { observations.add(at: finding.lookup.time) }
            if finding.outcome == .failed { failures.add(at: finding.lookup.time) }
        }
        if let loop = loops[track] {
            loops.removeValue(forKey: track)
            // Another lookup of the same thread: the end of that one was not reported.
            if loop.lookup.start != finding.lookup.start { write(loop, on: track, hasEnd: true, legend, &bytes) }
        }
        if !finding.isProgress {
            write(finding, on: track, hasEnd: true, legend, &bytes)
        } else if loops.count < Self.openLimit {
            loops[track] = finding
        } else {
            beyondOpenLimit += 1
        }
    }

    /// One slice, and the time of the detach on it; an instant where the entry was not seen.
    private mutating func write(
        _ finding: Finding, on track: PerfettoTrack, hasEnd: Bool, _ legend: Legend, _ bytes: inout [UInt8]
    ) {
        let lookup = finding.lookup
        let name = [finding.explainedCause?.rawValue, finding.outcome.rawValue].compactMap { $0 }.joined(separator: " ")
        let flow = finding.detach.map(Self.flow(of:))
        guard let uuid = tracks.find(track, task: lookup.victim, into: &bytes) else {
            let others = tracks.heading(PerfettoTrack(.others), into: &bytes)
            return Protobuf.append(to: &bytes) {
                $0.event(.instant, on: others, at: lookup.time, name: name, category: "lookup", flow: flow) {
                    $0.write(finding, legend: legend)
                }
            }
        }
        let (begin, end) = tracks.take(track, from: lookup.isTimed ? lookup.start : lookup.time, to: lookup.time)
        Protobuf.append(to: &bytes) {
            guard lookup.isTimed else {
                return $0.event(.instant, on: uuid, at: end, name: name, category: "lookup", flow: flow) {
                    $0.write(finding, legend: legend)
                }
            }
            $0.event(.sliceBegin, on: uuid, at: begin, name: name, category: "lookup") {
                $0.write(finding, legend: legend)
            }
            // Not on the slice itself, because a flow goes forward in time, and the lookup began before the detach.
            if let detach = finding.detach, let flow {
                let moment = min(max(detach.time, begin), end)
                $0.event(.instant, on: uuid, at: moment, name: "detach met", category: "met", flow: flow)
            }
            if hasEnd { $0.event(.sliceEnd, on: uuid, at: end) }
        }
    }

    /// The same for the detach and for every lookup that met it.
    private static func flow(of detach: Detach) -> UInt64 {
        var mixed = detach.page.rawValue ^ (detach.time &* 0x9e37_79b9_7f4a_7c15)
        mixed = (mixed ^ (mixed >> 32)) &* 0xd6e8_feb8_6659_fd93
        return mixed ^ (mixed >> 32)
    }

    // MARK: Detaches, activities, losses

    public mutating func write(_ detach: Detach, legend: Legend, into bytes: inout [UInt8]) {
        latest = max(latest, detach.time)
        let track = PerfettoTrack(.culprits, task: detach.culprit)
        let uuid =
            tracks.find(track, task: detach.culprit, into: &bytes)
            ?? tracks.heading(PerfettoTrack(.others), into: &bytes)
        Protobuf.append(to: &bytes) {
            $0.event(
                .instant, on: uuid, at: detach.time, name: detach.explanation.cause.rawValue, category: "detach",
                flow: Self.flow(of: detach)
            ) { $0.write(detach, legend: legend) }
        }
    }

    public mutating func write(_ activity: Activity, legend: Legend, into bytes: inout [UInt8]) {
        let track = PerfettoTrack(.activities, kind: activity.kind, task: activity.task)
        latest = max(latest, activity.time)
        let before = begun.removeValue(forKey: track)
        if activity.durationNs != nil {
            write(activity, on: track, hasEnd: true, legend, &bytes)
            return
        }
        // A new start: the end of the operation before was not reported.
        if let before { write(before, on: track, hasEnd: true, legend, &bytes) }
        if begun.count < Self.openLimit { begun[track] = activity } else { beyondOpenLimit += 1 }
    }

    private mutating func write(
        _ activity: Activity, on track: PerfettoTrack, hasEnd: Bool, _ legend: Legend, _ bytes: inout [UInt8]
    ) {
        let name = activity.kind.name
        guard let uuid = tracks.find(track, task: activity.task, into: &bytes) else {
            let others = tracks.heading(PerfettoTrack(.others), into: &bytes)
            return Protobuf.append(to: &bytes) {
                $0.event(.instant, on: others, at: activity.time, name: name, category: "activity") {
                    $0.write(activity, legend: legend)
                }
            }
        }
        let (begin, end) = tracks.take(track, from: min(activity.begin, activity.time), to: activity.time)
        Protobuf.append(to: &bytes) {
            $0.event(.sliceBegin, on: uuid, at: begin, name: name, category: "activity") {
                $0.write(activity, legend: legend)
            }
            if hasEnd { $0.event(.sliceEnd, on: uuid, at: end) }
        }
    }

    public mutating func write(_ loss: Loss, legend: Legend, into bytes: inout [UInt8]) {
        guard loss.time != 0 else {
            undated[loss.stage] = (undated[loss.stage] ?? 0) &+ loss.count
            return
        }
        latest = max(latest, loss.time)
        write(loss, at: loss.time, into: &bytes)
    }

    private mutating func write(_ loss: Loss, at time: UInt64, into bytes: inout [UInt8]) {
        let uuid = tracks.heading(PerfettoTrack(.losses), into: &bytes)
        Protobuf.append(to: &bytes) {
            $0.event(.instant, on: uuid, at: time, name: loss.stage.rawValue, category: "loss") {
                $0.note("count", loss.count)
                $0.note("touches_evidence", loss.stage.touchesEvidence)
                if loss.time == 0 { $0.note("time_known", false) }
            }
        }
    }

    // MARK: The end

    /// An event that has not ended is a slice without an end; losses without a time are at the last known time.
    public mutating func end(_ report: RunReport, legend: Legend, into bytes: inout [UInt8]) {
        for (track, loop) in loops.sorted(by: { $0.key < $1.key }) {
            write(loop, on: track, hasEnd: false, legend, &bytes)
        }
        for (track, activity) in begun.sorted(by: { $0.key < $1.key }) {
            write(activity, on: track, hasEnd: false, legend, &bytes)
        }
        for stage in Loss.Stage.allCases {
            guard let count = undated[stage] else { continue }
            write(Loss(time: 0, stage: stage, count: count), at: latest, into: &bytes)
        }
        write(observations, on: .observationRate, into: &bytes)
        write(failures, on: .failureRate, into: &bytes)
        let (events, open) = (tracks.eventsBeyondLimit, beyondOpenLimit)
        guard events > 0 || open > 0 else { return }
        let others = tracks.heading(PerfettoTrack(.others), into: &bytes)
        Protobuf.append(to: &bytes) {
            $0.event(.instant, on: others, at: latest, name: "beyond the limits of this export", category: "export") {
                $0.note("events_without_track", events)
                $0.note("unfinished_not_kept", open)
            }
        }
    }
}

extension Perfetto {
    private mutating func write(_ rate: PerfettoRate, on group: PerfettoTrack.Group, into bytes: inout [UInt8]) {
        guard !rate.changes.isEmpty else { return }
        let track = tracks.heading(PerfettoTrack(group), into: &bytes)
        Protobuf.append(to: &bytes) {
            for (time, perSecond) in rate.changes { $0.value(perSecond, of: track, at: time) }
        }
    }
}

// MARK: Annotations

extension Protobuf {
    fileprivate mutating func write(_ finding: Finding, legend: Legend) {
        let lookup = finding.lookup
        write(lookup.victim, legend: legend)
        note("uaddr", lookup.isAddressKnown ? "0x" + String(lookup.address, radix: 16) : nil)
        note("access", lookup.access)
        note("passes", lookup.isTimed ? lookup.passes : nil)
        note("duration_ns", lookup.durationNs)
        note("result", lookup.result.map(ErrorNumber.name(ofResult:)))
        note("outcome", finding.outcome.rawValue)
        for reason in RetryReason.allCases where lookup.retries[reason] > 0 {
            note("retries_" + reason.rawValue.split(separator: "-").joined(separator: "_"), lookup.retries[reason])
        }
        if let page = lookup.page {
            note("page_id", legend.id(of: page.page))
            note("page_kind", finding.kind.rawValue)
        }
        if let file = finding.file {
            note("page_index", lookup.page?.index)
            write(file, legend: legend)
        }
        note("unmapped", lookup.observations > 0)
        note("cause", finding.explainedCause?.rawValue)
        note("confidence", finding.confidence.rawValue)
        if finding.explainedCause != nil { note("unknown_reason", finding.unknownReason?.rawValue) }
        if let detach = finding.detach {
            note("detach_age_ns", finding.detachAgeNs)
            note("detach_pid", UInt64(detach.culprit.pid))
            note("detach_tid", UInt64(detach.culprit.tid))
            note("detach_comm", TerminalText.escaped(detach.culprit.comm.text))
            note("detach_neighbour", finding.neighbour)
            note("detach_call_path", legend.names.callPath(detach.callPath).map { TerminalText.escaped($0.text) })
        }
        note("spurious", finding.spurious)
        note("verdicts_retry", finding.verdicts?.retry.rawValue)
        note("verdicts_efault", finding.verdicts?.efault.rawValue)
        note("verdicts_swizzle", finding.verdicts?.swizzle.rawValue)
        note("verdicts_vma", finding.verdicts?.vma.rawValue)
        note("verdicts_retry_zero", finding.verdicts?.retryZero.rawValue)
        note("verdicts_fallback", finding.verdicts?.fallback.rawValue)
        note("observations", lookup.observations)
        note("lock_waits", lookup.isTimed ? UInt64(lookup.lockWaits) : nil)
        note("failure", finding.failure?.rawValue)
        note("operation", lookup.operation?.name)
        if finding.isIncomplete { note("incomplete", true) }
    }

    fileprivate mutating func write(_ detach: Detach, legend: Legend) {
        write(detach.culprit, legend: legend)
        note("page_id", legend.id(of: detach.page))
        note("page_index", detach.index)
        if !detach.file.isNone { write(detach.file, legend: legend) }
        note("file_size_bytes", detach.fileSize)
        note("pages", UInt64(detach.pages))
        note("references", UInt64(max(0, detach.references)))
        note("via", detach.via.name)
        note("scope", detach.scope?.name)
        note("hole_start_bytes", detach.hole?.lowerBound)
        note("hole_end_bytes", detach.hole?.upperBound)
        note("cause", detach.explanation.cause.rawValue)
        note("confidence", detach.explanation.confidence.rawValue)
        if !detach.landmarks.isEmpty { note("landmarks", detach.landmarks.names.joined(separator: " ")) }
        note("call_path", legend.names.callPath(detach.callPath).map { TerminalText.escaped($0.text) })
    }

    fileprivate mutating func write(_ activity: Activity, legend: Legend) {
        write(activity.task, legend: legend)
        note("phase", activity.phase)
        note("duration_ns", activity.durationNs)
        note("pages", activity.durationNs == nil ? nil : activity.pages)
    }

    private mutating func write(_ task: TaskIdentity, legend: Legend) {
        note("pid", UInt64(task.pid))
        note("tid", UInt64(task.tid))
        note("comm", TerminalText.escaped(task.comm.text))
        note("cgroup", legend.names.cgroup(task.cgroup).map(TerminalText.escaped))
        guard let workload = legend.names.workload(task.cgroup) else { return }
        note("unit", workload.unit.map(TerminalText.escaped))
        note("container", workload.container)
        note("pod", workload.pod)
    }

    private mutating func write(_ file: FileID, legend: Legend) {
        note("page_dev", Legend.device(of: file))
        note("page_inode", file.inode)
        let name = legend.names.file(file)
        note("page_path", name?.path.map(TerminalText.escaped))
        note("page_fstype", name?.fileSystem.map(TerminalText.escaped))
        note("page_file_state", name?.fileState?.rawValue)
    }
}
