// SPDX-License-Identifier: Apache-2.0

// The findings that a page has room for: some of each kind, so that many of one pair do not hide the others. A loop is
// reported again and again and has one place.

import Correlation
import Events

/// At most `limit` findings. Each kind has as many places as any other, as far as it has findings for them; within a kind
/// those that came first are kept.
struct NotableFindings: Sendable {
    static let limit = 200

    private struct Kind: Hashable {
        var cause: Cause?
        var culprit: Encounters.Party?
        var victim: Encounters.Party
        var isAlarming: Bool
    }

    /// Whether somebody has to look at it stays as it was: a loop that ends keeps its place.
    private var kept: [(finding: Finding, isAlarming: Bool)] = []
    /// Places in `kept`.
    private var places: [Kind: [Int]] = [:]
    /// Of the kind that has most, or more.
    private var mostPlaces = 0
    /// Of looping lookups, by thread.
    private var loops: [UInt32: Int] = [:]

    mutating func take(_ finding: Finding) {
        // Where every lookup is reported, most of them found their mapping.
        guard finding.lookup.observations > 0 || finding.lookup.retries.total > 0 else { return }
        let victim = finding.lookup.victim
        if let place = loops[victim.tid], case let known = kept[place].finding, known.isProgress,
            known.lookup.victim.tid == victim.tid, known.lookup.start == finding.lookup.start
        {
            kept[place].finding = finding
            if !finding.isProgress { loops[victim.tid] = nil }
            return
        }
        func party(_ task: TaskIdentity) -> Encounters.Party { Encounters.Party(comm: task.comm, cgroup: task.cgroup) }
        let kind = Kind(
            cause: finding.explainedCause, culprit: finding.detach.map { party($0.culprit) }, victim: party(victim),
            isAlarming: finding.isAlarming)
        guard let place = place(for: kind) else { return }
        let entry = (finding, finding.isAlarming)
        if place == kept.count { kept.append(entry) } else { kept[place] = entry }
        places[kind, default: []].append(place)
        mostPlaces = max(mostPlaces, places[kind]?.count ?? 0)
        if finding.isProgress { loops[victim.tid] = place }
    }

    /// A free place, or that of the kind with most, if it has at least two more; nil when there is neither.
    private mutating func place(for kind: Kind) -> Int? {
        if kept.count < Self.limit { return kept.count }
        let own = places[kind]?.count ?? 0
        guard own + 1 < mostPlaces else { return nil }
        let longest = places.max { ($0.value.count, $1.value[0]) < ($1.value.count, $0.value[0]) }
        mostPlaces = longest?.value.count ?? 0
        guard let longest, own + 1 < mostPlaces else { return nil }
        return places[longest.key]?.removeLast()
    }

    /// Those that somebody has to look at come first: failures that were spurious, and loops. In the order of time within
    /// each sort.
    var shown: [Finding] {
        kept.sorted { left, right in
            if left.isAlarming != right.isAlarming { return left.isAlarming }
            return left.finding.lookup.time < right.finding.lookup.time
        }.map(\.finding)
    }
}

extension Finding {
    fileprivate var isAlarming: Bool { isProgress || spurious == true }
}
