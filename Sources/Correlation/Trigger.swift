// SPDX-License-Identifier: Apache-2.0

// The conditions of a snapshot. A trigger is a list of conditions on one finding that must all hold; of several
// triggers one is enough. A condition on what is not known never holds.

import Events

/// Conditions on one finding, with the text of the option.
public struct Trigger: Sendable, Equatable {
    public enum Condition: Sendable, Equatable {
        /// It failed although its file still backed the address.
        case spurious
        case failed
        /// It loops and has not returned.
        case loop
        case cause(Cause)
        /// 0 or a negative errno.
        case result(Int32)
        /// Minimum duration in nanoseconds.
        case duration(UInt64)
        /// Minimum number of passes.
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
