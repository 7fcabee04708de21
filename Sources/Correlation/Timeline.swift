// SPDX-License-Identifier: Apache-2.0

// When things happened in a run of unknown duration: a fixed number of bins, whose width doubles each time the run
// becomes longer than they cover.

public import Events

/// Observed lookups by cause, failures, and the time in which operations were in progress, bin by bin.
public struct Timeline: Sendable, Equatable {
    public static let binLimit = 240

    /// Where the first bin starts, CLOCK_MONOTONIC nanoseconds; nil when there was no event.
    public private(set) var originNs: UInt64?
    public private(set) var binNs: UInt64 = 1_000_000
    /// Bins from the origin to the last event.
    public private(set) var bins = 0
    /// The end of the last bin: an earlier event adds no bin. 0 as long as there is none.
    private var endNs: UInt64 = 0

    private var byCause = CaseTable<Cause, [UInt64]>()
    private var failures = [UInt64](repeating: 0, count: binLimit)
    private var busy = CaseTable<ActivityKind, [UInt64]>()

    public init() {}

    /// Lookups with this cause that ended in each bin.
    public func observed(_ cause: Cause) -> [UInt64] { bars(byCause[cause]) }
    /// Those of all causes that failed.
    public var failed: [UInt64] { bars(failures) }
    /// Nanoseconds of each bin in which at least one operation of this kind was in progress.
    public func busyNs(_ kind: ActivityKind) -> [UInt64] { bars(busy[kind]) }

    public func hasObserved(_ cause: Cause) -> Bool { byCause[cause] != nil }
    public func hasBusy(_ kind: ActivityKind) -> Bool { busy[kind] != nil }

    private func bars(_ values: [UInt64]?) -> [UInt64] {
        values.map { Array($0.prefix(bins)) } ?? [UInt64](repeating: 0, count: bins)
    }

    // MARK: Growing

    /// Extends the timeline to this time. The first time is the origin; a later event with an earlier time goes to the
    /// first bin.
    @inline(__always)
    mutating func extend(to time: UInt64) {
        // Nearly every event is within the bins, and this is called twice for each.
        if time >= endNs { lengthen(to: time) }
    }

    private mutating func lengthen(to time: UInt64) {
        let origin = originNs ?? time
        originNs = origin
        while (time - origin) / binNs >= UInt64(Self.binLimit) { widen() }
        bins = max(bins, bin(of: time) + 1)
        endNs = endOfBin(bins - 1)
    }

    mutating func add(_ cause: Cause, failed: Bool, at time: UInt64) {
        extend(to: time)
        let bin = bin(of: time)
        byCause[cause, default: Self.empty][bin] += 1
        if failed { failures[bin] += 1 }
    }

    /// An interval in which operations of one kind were in progress; intervals must not overlap.
    mutating func addBusy(_ kind: ActivityKind, from start: UInt64, to end: UInt64) {
        guard let originNs, end > originNs else { return }
        extend(to: end)
        var from = max(start, originNs)
        for bin in bin(of: from)...bin(of: end) where from < end {
            let until = min(endOfBin(bin), end)
            busy[kind, default: Self.empty][bin] += until - from
            from = until
        }
    }

    private static let empty = [UInt64](repeating: 0, count: binLimit)

    /// The bin of a time; of one before the first or after the last, that one.
    public func bin(of time: UInt64) -> Int {
        guard let originNs, time > originNs else { return 0 }
        return Int(min((time - originNs) / binNs, UInt64(Self.binLimit - 1)))
    }

    private func endOfBin(_ bin: Int) -> UInt64 {
        let (length, isTooLong) = binNs.multipliedReportingOverflow(by: UInt64(bin + 1))
        let (end, isTooLate) = length.addingReportingOverflow(originNs ?? 0)
        return isTooLong || isTooLate ? .max : end
    }

    /// Two bins become one.
    private mutating func widen() {
        binNs *= 2
        bins = (bins + 1) / 2
        byCause = byCause.mapValues(Self.halved)
        busy = busy.mapValues(Self.halved)
        failures = Self.halved(failures)
    }

    private static func halved(_ values: [UInt64]) -> [UInt64] {
        var result = empty
        for bin in 0..<binLimit / 2 { result[bin] = values[2 * bin] &+ values[2 * bin + 1] }
        return result
    }
}
