// SPDX-License-Identifier: Apache-2.0

// Why a lookup jumped back to the label `again:` in get_futex_key(), and how often.

/// Why a lookup retried; the raw values are the names in all output.
public enum RetryReason: String, Sendable, CaseIterable {
    /// The page was in swap cache, or had a mapping again once it was locked (3.2, e6780f7243ed).
    case swizzled
    /// The mapping differed when it was read again under RCU (4.6, 65d8fc777f6d).
    case mappingChanged = "mapping-changed"
    /// The mapping had no inode.
    case noHost = "no-host"
    /// No mapping at all: only a kernel with the rule of 2.6.28 to 3.0 does that.
    case noMapping = "no-mapping"
}

/// A count for each reason.
public struct RetryCounts: Sendable, Hashable {
    public var swizzled: UInt64
    public var mappingChanged: UInt64
    public var noHost: UInt64
    public var noMapping: UInt64

    public init(
        swizzled: UInt64 = 0, mappingChanged: UInt64 = 0, noHost: UInt64 = 0, noMapping: UInt64 = 0
    ) {
        self.swizzled = swizzled
        self.mappingChanged = mappingChanged
        self.noHost = noHost
        self.noMapping = noMapping
    }

    public subscript(reason: RetryReason) -> UInt64 {
        switch reason {
        case .swizzled: swizzled
        case .mappingChanged: mappingChanged
        case .noHost: noHost
        case .noMapping: noMapping
        }
    }

    public var total: UInt64 { swizzled &+ mappingChanged &+ noHost &+ noMapping }
}
