// SPDX-License-Identifier: Apache-2.0

// What a finding must be like for somebody to want the events around it. A trigger is a list of conditions
// that must all hold; of several triggers any will do. What is not known never holds.

import Events

/// Conditions on one finding, with the words in which they were asked for.
public struct Trigger: Sendable, Equatable {
    public enum Condition: Sendable, Equatable {
        /// It failed although its file still backed the address.
        case spurious
        case failed
        /// It goes round in a loop and has not returned.
        case loop
        case cause(Cause)
        /// 0 or a negative errno.
        case result(Int32)
        /// Nanoseconds at least.
        case duration(UInt64)
        /// So many at least.
        case passes(UInt64)
    }

    public let text: String
    public let conditions: [Condition]

    public init(text: String, conditions: [Condition]) { (self.text, self.conditions) = (text, conditions) }

    /// Whether lookups have to be followed from entry to return for this ever to hold.
    public var needsFullDepth: Bool {
        conditions.contains { condition in
            switch condition {
            case .loop, .duration, .passes: true
            case .spurious, .failed, .cause, .result: false
            }
        }
    }

    public func holds(for finding: Finding) -> Bool {
        conditions.allSatisfy { condition in
            switch condition {
            case .spurious: finding.spurious == true
            case .failed: finding.outcome == .failed
            case .loop: finding.isProgress
            case .cause(let cause): finding.explainedCause == cause
            case .result(let result): finding.lookup.result == result
            case .duration(let ns): (finding.lookup.durationNs ?? 0) >= ns
            case .passes(let count): finding.lookup.isTimed && finding.lookup.passes >= count
            }
        }
    }
}
