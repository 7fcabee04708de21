// SPDX-License-Identifier: Apache-2.0

// What the rows of an export are about, and the words in them that are not the correlator's: kinds of
// detach, and landmarks.

import Correlation
import Events

/// What a row is about; the raw value is what a user types.
public enum RowType: String, Sendable, CaseIterable {
    case findings
    case detaches
    case activities
    case losses
}

extension Landmarks {
    /// Each by the meaning that its functions have in common.
    private static let allNames: [(landmark: Landmarks, name: String)] = [
        (.memoryFailure, "memory-failure"), (.dropCaches, "drop-caches"), (.fadvise, "fadvise"),
        (.blockDeviceTruncate, "block-device-truncate"), (.invalidate2, "invalidate2"), (.fallocate, "fallocate"),
        (.partialFolio, "partial-folio"), (.setSize, "set-size"), (.truncateRange, "truncate-range"),
        (.reclaim, "reclaim"), (.swapOut, "swap-out"), (.migration, "migration"), (.collapse, "collapse"),
        (.split, "split"), (.evict, "evict"), (.invalidate, "invalidate"),
    ]

    /// The names of those that are set, in a fixed order.
    var names: [String] {
        Self.allNames.compactMap { contains($0.landmark) ? $0.name : nil }
    }
}

extension Activity {
    var phase: String { durationNs == nil ? "begin" : "end" }
    /// CLOCK_MONOTONIC nanoseconds; wraps rather than fails on a duration that cannot be.
    var begin: UInt64 { time &- (durationNs ?? 0) }
}
