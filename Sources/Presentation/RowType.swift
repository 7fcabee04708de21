// SPDX-License-Identifier: Apache-2.0

// What the rows of an export are about.

import Correlation
import Events

/// What a row is about; the raw value is what a user types.
public enum RowType: String, Sendable, CaseIterable {
    case findings
    case detaches
    case activities
    case losses
}

extension Activity {
    var phase: String { durationNs == nil ? "begin" : "end" }
    /// CLOCK_MONOTONIC nanoseconds; wraps rather than fails on a duration that cannot be.
    var begin: UInt64 { time &- (durationNs ?? 0) }
}
