// SPDX-License-Identifier: Apache-2.0

// The findings that a page has room for. Those that somebody has to look at come first: failures that were
// spurious, and loops. A loop is reported again and again and has one place.

import Correlation
import Events

/// At most `limit` of either sort are kept.
struct NotableFindings: Sendable {
    static let limit = 200

    private var notable: [Finding] = []
    private var others: [Finding] = []
    /// Of looping lookups among `notable`, by thread.
    private var loops: [UInt32: Int] = [:]

    mutating func take(_ finding: Finding) {
        // Where every lookup is reported, most of them found their mapping.
        guard finding.lookup.observations > 0 || finding.lookup.retries.total > 0 else { return }
        let tid = finding.lookup.victim.tid
        if let place = loops[tid], notable[place].lookup.start == finding.lookup.start {
            notable[place] = finding
            if !finding.isProgress { loops[tid] = nil }
            return
        }
        if finding.isProgress || finding.spurious == true {
            guard notable.count < Self.limit else { return }
            if finding.isProgress { loops[tid] = notable.count }
            notable.append(finding)
        } else if others.count < Self.limit {
            others.append(finding)
        }
    }

    /// What there is room for, in the order of time within each sort.
    var shown: [Finding] {
        func byTime(_ findings: [Finding]) -> [Finding] { findings.sorted { $0.lookup.time < $1.lookup.time } }
        return byTime(notable) + byTime(Array(others.prefix(Self.limit - notable.count)))
    }
}
