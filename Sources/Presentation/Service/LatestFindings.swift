// SPDX-License-Identifier: Apache-2.0

// The latest findings, for a page that shows a run in progress. A loop, which is reported repeatedly, has one place.

public import Correlation

/// At most `limit` findings; the oldest one is dropped first.
public struct LatestFindings: Sendable {
    static let limit = 100

    /// The oldest is at `next` once there are as many as the limit.
    private var findings: [Finding] = []
    private var next = 0

    public init() {}

    public mutating func take(_ finding: Finding) {
        // Where every lookup is reported, most of them found their mapping.
        guard finding.lookup.observations > 0 || finding.lookup.retries.total > 0 else { return }
        if finding.isProgress, let place = findings.firstIndex(where: { $0.isSameLoop(as: finding) }) {
            findings[place] = finding
        } else if findings.count < Self.limit {
            findings.append(finding)
        } else {
            findings[next] = finding
            next = (next + 1) % Self.limit
        }
    }

    /// The newest first.
    public var inOrder: [Finding] { findings.sorted { $0.lookup.time > $1.lookup.time } }
}

extension Finding {
    fileprivate func isSameLoop(as other: Finding) -> Bool {
        isProgress && lookup.victim.tid == other.lookup.victim.tid && lookup.start == other.lookup.start
    }
}

extension RunState {
    /// The latest findings as JSON Lines, as `trace -f json` writes them; the oldest first.
    public var findingLines: [UInt8] {
        var (format, bytes) = (JSONLines(), [UInt8]())
        for finding in latest.reversed() { format.write(finding, legend: legend, into: &bytes) }
        return bytes
    }
}
