// SPDX-License-Identifier: Apache-2.0

// The types of rows in an export.

import Correlation
import Events

/// The type of a row; the raw value is what a user types.
public enum RowType: String, Sendable, CaseIterable {
    case findings
    case detaches
    case activities
    case losses
}

extension Activity {
    var phase: String { durationNs == nil ? "begin" : "end" }
    /// CLOCK_MONOTONIC nanoseconds; for an impossible duration the value wraps instead of failing.
    var begin: UInt64 { time &- (durationNs ?? 0) }
}
