// SPDX-License-Identifier: Apache-2.0

// What distinguishes one run from all others, on every host. A recording carries it in each packet, so that a run that is
// replayed has the same as it had live.

/// A UUID (RFC 9562, version 4).
public struct RunID: Sendable, Hashable {
    public let high: UInt64
    public let low: UInt64

    public static func random() -> RunID {
        RunID(
            high: .random(in: .min ... .max) & 0xffff_ffff_ffff_0fff | 0x4000,
            low: .random(in: .min ... .max) & 0x3fff_ffff_ffff_ffff | 0x8000_0000_0000_0000)
    }

    public init(high: UInt64, low: UInt64) { (self.high, self.low) = (high, low) }

    /// From the usual text with four hyphens.
    public init?(_ text: some StringProtocol) {
        let groups = text.split(separator: "-", omittingEmptySubsequences: false)
        let digits = groups.joined()
        guard groups.map(\.utf8.count) == [8, 4, 4, 4, 12], digits.utf8.count == 32,
            let high = UInt64(digits.prefix(16), radix: 16), let low = UInt64(digits.suffix(16), radix: 16)
        else { return nil }
        (self.high, self.low) = (high, low)
    }

    /// 36 characters.
    public var text: String {
        func hex(_ value: UInt64) -> String {
            let digits = String(value, radix: 16)
            return String(repeating: "0", count: 16 - digits.utf8.count) + digits
        }
        let digits = Array((hex(high) + hex(low)).utf8)
        let groups = [0..<8, 8..<12, 12..<16, 16..<20, 20..<32].map { String(decoding: digits[$0], as: UTF8.self) }
        return groups.joined(separator: "-")
    }
}
