// SPDX-License-Identifier: Apache-2.0

// What a run adds up to by this program's own reckoning, counted from the events and not from any export.

import Correlation
import Events

@testable import Presentation

/// Of rows. The readers tell the same under the same names.
struct RowSums: Encodable {
    var findings = 0
    var passes: UInt64 = 0
    var durationNs: UInt64 = 0
    var causes: [String: Int] = [:]
    var comms: [String: Int] = [:]
    var detaches = 0
    var detachPages: UInt64 = 0
    var detachCauses: [String: Int] = [:]
    var paths: [String: Int] = [:]
    var landmarks: [String: Int] = [:]
    var callPaths: [String: Int] = [:]
    var activities = 0
    var activityNs: UInt64 = 0
    var activityKinds: [String: Int] = [:]
    var losses = 0
    var lost: UInt64 = 0

    /// `shown` is how the format writes the text of others.
    init(of events: [Event], shown: (String) -> String) {
        var (correlator, names, reported) = (Correlator(), Names(), Set<[UInt64]>())
        for event in events {
            switch event {
            case .name(let name): names.learn(name)
            case .detach(let detach) where reported.insert([detach.page.rawValue, detach.time]).inserted:
                detaches += 1
                detachPages += UInt64(detach.pages)
                detachCauses[detach.explanation.cause.rawValue, default: 0] += 1
                paths[names.path(of: detach.file).map(shown) ?? "", default: 0] += 1
                landmarks[detach.landmarks.names.joined(separator: " "), default: 0] += 1
                callPaths[names.callPath(detach.callPath)?.text ?? "", default: 0] += 1
            case .activity(let activity):
                activities += 1
                activityNs += activity.durationNs ?? 0
                activityKinds[activity.kind.name + (activity.durationNs == nil ? " begin" : " end"), default: 0] += 1
            case .lost(let loss): (losses, lost) = (losses + 1, lost + loss.count)
            default: break
            }
            guard let finding = correlator.take(event) else { continue }
            findings += 1
            if finding.lookup.isTimed { passes += finding.lookup.passes }
            durationNs += finding.lookup.durationNs ?? 0
            causes[finding.explainedCause?.rawValue ?? "", default: 0] += 1
            comms[shown(finding.lookup.victim.comm.text), default: 0] += 1
        }
    }
}

/// Of a trace.
struct TraceSums: Encodable {
    var lookups = 0
    var openLookups = 0
    var passes: UInt64 = 0
    var durationNs: UInt64 = 0
    var causes: [String: Int] = [:]
    var comms: [String: Int] = [:]
    var detaches = 0
    var detachCauses: [String: Int] = [:]
    var detachPages: UInt64 = 0
    var activities = 0
    var openActivities = 0
    var activityNs: UInt64 = 0
    var activityKinds: [String: Int] = [:]
    var losses = 0
    var lost: UInt64 = 0
    var flows = 0
    var flowsFromDetaches = 0
    var flowsBackInTime = 0
    var flowsToLookups = 0
    var deepSlices = 0
    var tracks: [String: Int] = [:]
    /// Tasks, and the first threads of their processes.
    var threads = 0
    /// By the areas below the counters.
    var observed = 0
    var failed = 0
    var wallClockNs: Int64 = GeneratedRun.info.wallClockOffsetNs
    var errors: [String: Int] = [:]
    var releases = ["6.12.0-test": 1]

    init(of events: [Event]) {
        var correlator = Correlator()
        var (open, begun): ([UInt32: Finding], [UInt32: Activity]) = ([:], [:])
        var (reported, met, undated) = (Set<[UInt64]>(), Set<[UInt64]>(), Set<String>())
        var numbers = Set<UInt32>()
        var (victims, culprits, kinds, tasks) = (Set<UInt32>(), Set<UInt32>(), Set<ActivityKind>(), Set<UInt32>())
        for event in events {
            switch event {
            case .detach(let detach) where reported.insert([detach.page.rawValue, detach.time]).inserted:
                detaches += 1
                detachPages += UInt64(detach.pages)
                detachCauses[detach.explanation.cause.rawValue, default: 0] += 1
                culprits.insert(detach.culprit.tid)
                numbers.formUnion([detach.culprit.tid, detach.culprit.pid])
            case .activity(let activity):
                // A task has one kind in these runs.  A begin that is followed by another has no end.
                if let unfinished = begun.removeValue(forKey: activity.task.tid), activity.durationNs == nil {
                    count(unfinished)
                }
                if activity.durationNs == nil { begun[activity.task.tid] = activity } else { count(activity) }
                kinds.insert(activity.kind)
                tasks.insert(activity.task.tid)
                numbers.insert(activity.task.tid)
            case .lost(let loss):
                lost += loss.count
                if loss.time != 0 { losses += 1 } else { undated.insert(loss.stage.rawValue) }
            default: break
            }
            guard let finding = correlator.take(event) else { continue }
            let tid = finding.lookup.victim.tid
            victims.insert(tid)
            numbers.formUnion([tid, finding.lookup.victim.pid])
            if !finding.isProgress {
                if finding.lookup.observations > 0 { observed += 1 }
                if finding.outcome == .failed { failed += 1 }
            }
            if let loop = open.removeValue(forKey: tid), loop.lookup.start != finding.lookup.start {
                count(loop, met: &met)
            }
            if finding.isProgress { open[tid] = finding } else { count(finding, met: &met) }
        }
        for finding in open.values {
            count(finding, met: &met)
            durationNs -= finding.lookup.durationNs ?? 0
        }
        for activity in begun.values { count(activity) }
        (openLookups, openActivities, losses) = (open.count, begun.count, losses + undated.count)
        threads = numbers.count
        (flowsFromDetaches, flowsToLookups) = (met.count, flows)
        tracks = [
            "": 1, "futexscope": 6, "victims": victims.count, "culprits": culprits.count, "activities": kinds.count,
        ]
        for kind in kinds {
            // Numbers of tasks are by kind in these runs.
            tracks[kind.name] = tasks.filter { ($0 - 5000) / 100 == UInt32(kind.rawValue) }.count
        }
    }

    private mutating func count(_ finding: Finding, met: inout Set<[UInt64]>) {
        lookups += 1
        if finding.lookup.isTimed { passes += finding.lookup.passes }
        durationNs += finding.lookup.durationNs ?? 0
        if let cause = finding.explainedCause { causes[cause.rawValue, default: 0] += 1 }
        comms[TerminalText.escaped(finding.lookup.victim.comm.text), default: 0] += 1
        guard let detach = finding.detach else { return }
        flows += 1
        met.insert([detach.page.rawValue, detach.time])
    }

    private mutating func count(_ activity: Activity) {
        activities += 1
        activityNs += activity.durationNs ?? 0
        activityKinds[activity.kind.name, default: 0] += 1
    }
}
