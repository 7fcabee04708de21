// SPDX-License-Identifier: Apache-2.0

// Wall clock time from the kernel's monotonic time. The offset between the two is given once, so the differences
// between times of one run stay right even if the clock is set meanwhile. UTC only, because a recording may be read in
// another place.

public import Events

/// CLOCK_MONOTONIC nanoseconds as dates.
public struct WallClock: Sendable, Equatable {
    /// Nanoseconds to add to CLOCK_MONOTONIC to get those since 1970.
    public let offsetNs: Int64
    /// Times are counts of a clock without a unit: they are shown as numbers, never as dates or seconds.
    let showsCounts: Bool

    public init(offsetNs: Int64) { (self.offsetNs, showsCounts) = (offsetNs, false) }

    /// The clock of a run.
    public init(of run: RunInfo) {
        (offsetNs, showsCounts) = (run.hasCountsForTimes ? 0 : run.wallClockOffsetNs, run.hasCountsForTimes)
    }

    /// Nanoseconds since 1970-01-01T00:00:00Z.
    func epochNs(_ monotonicNs: UInt64) -> Int64 {
        Int64(truncatingIfNeeded: monotonicNs) &+ offsetNs
    }

    /// RFC 3339 in UTC with nine digits of the second.
    func timestamp(_ monotonicNs: UInt64) -> String {
        let (days, nsOfDay) = split(monotonicNs)
        let date = Self.date(daysSince1970: days)
        return Self.padded(date.year, 4) + "-" + Self.padded(date.month, 2) + "-" + Self.padded(date.day, 2)
            + "T" + Self.time(nsOfDay) + "." + Self.padded(nsOfDay % 1_000_000_000, 9) + "Z"
    }

    /// As a part of a file's name: `20261123T020000Z`.
    public func stamp(_ monotonicNs: UInt64) -> String {
        timestamp(monotonicNs).prefix(19).filter { $0 != "-" && $0 != ":" } + "Z"
    }

    /// Hours, minutes and seconds of the day, with milliseconds if wanted.
    func timeOfDay(_ monotonicNs: UInt64, milliseconds: Bool) -> String {
        if showsCounts { return String(monotonicNs) }
        let (_, nsOfDay) = split(monotonicNs)
        let time = Self.time(nsOfDay)
        return milliseconds ? time + "." + Self.padded(nsOfDay / 1_000_000 % 1000, 3) : time
    }

    private func split(_ monotonicNs: UInt64) -> (days: Int64, nsOfDay: Int64) {
        let dayNs: Int64 = 86_400_000_000_000
        let epoch = epochNs(monotonicNs)
        var (days, rest) = epoch.quotientAndRemainder(dividingBy: dayNs)
        if rest < 0 { (days, rest) = (days - 1, rest + dayNs) }
        return (days, rest)
    }

    private static func time(_ nsOfDay: Int64) -> String {
        let seconds = nsOfDay / 1_000_000_000
        return padded(seconds / 3600, 2) + ":" + padded(seconds / 60 % 60, 2) + ":" + padded(seconds % 60, 2)
    }

    /// Howard Hinnant's civil_from_days: years of 400 × 365.2425 days that begin in March, so that a leap day is the
    /// last day of its year.
    private static func date(daysSince1970: Int64) -> (year: Int64, month: Int64, day: Int64) {
        let days = daysSince1970 + 719_468
        let era = (days >= 0 ? days : days - 146_096) / 146_097
        let dayOfEra = days - era * 146_097
        let yearOfEra = (dayOfEra - dayOfEra / 1460 + dayOfEra / 36_524 - dayOfEra / 146_096) / 365
        let dayOfYear = dayOfEra - (365 * yearOfEra + yearOfEra / 4 - yearOfEra / 100)
        let shifted = (5 * dayOfYear + 2) / 153
        let day = dayOfYear - (153 * shifted + 2) / 5 + 1
        let month = shifted < 10 ? shifted + 3 : shifted - 9
        return (yearOfEra + era * 400 + (month <= 2 ? 1 : 0), month, day)
    }

    /// Nanoseconds since 1970 of an RFC 3339 time such as `2026-11-23T02:00:00.5Z`; nil when it is none, is
    /// not in UTC, or lies outside the years that 64 bits of nanoseconds hold.
    public static func epochNs(of text: String) -> Int64? {
        guard text.utf8.last == UInt8(ascii: "Z") || text.utf8.last == UInt8(ascii: "z") else { return nil }
        let parts = text.dropLast().split(omittingEmptySubsequences: false) { "Tt ".contains($0) }
        guard parts.count == 2 else { return nil }
        let date = parts[0].split(separator: "-", omittingEmptySubsequences: false).map(digits)
        let time = parts[1].split(separator: ":", omittingEmptySubsequences: false)
        guard date.count == 3, let year = date[0], let month = date[1], let day = date[2], time.count == 3,
            (1678...2261).contains(year), (1...12).contains(month), (1...31).contains(day),
            let hour = digits(time[0]), hour < 24, let minute = digits(time[1]), minute < 60
        else { return nil }
        let second = time[2].split(separator: ".", omittingEmptySubsequences: false)
        guard second.count <= 2, let whole = digits(second[0]), whole < 60 else { return nil }
        var fraction: Int64 = 0
        if second.count == 2 {
            guard second[1].utf8.count <= 9, let value = digits(second[1]) else { return nil }
            fraction = (second[1].utf8.count..<9).reduce(value) { value, _ in value * 10 }
        }
        let days = daysSince1970(year: year, month: month, day: day)
        // No day that the month does not have.
        guard Self.date(daysSince1970: days) == (year, month, day) else { return nil }
        return ((days * 24 + hour) * 60 + minute) * 60_000_000_000 + whole * 1_000_000_000 + fraction
    }

    private static func digits(_ text: some StringProtocol) -> Int64? {
        text.utf8.allSatisfy { (0x30...0x39).contains($0) } ? Int64(text) : nil
    }

    /// Howard Hinnant's days_from_civil, the inverse of `date`.
    private static func daysSince1970(year: Int64, month: Int64, day: Int64) -> Int64 {
        let shifted = month <= 2 ? year - 1 : year
        let era = (shifted >= 0 ? shifted : shifted - 399) / 400
        let yearOfEra = shifted - era * 400
        let dayOfYear = (153 * (month > 2 ? month - 3 : month + 9) + 2) / 5 + day - 1
        return era * 146_097 + yearOfEra * 365 + yearOfEra / 4 - yearOfEra / 100 + dayOfYear - 719_468
    }

    private static func padded(_ number: Int64, _ width: Int) -> String {
        let digits = String(number)
        return String(repeating: "0", count: max(0, width - digits.count)) + digits
    }
}

/// Writes times in the form of `WallClock.timestamp`. Consecutive times of one run mostly share their second, so the
/// text before the fraction is kept.
struct TimestampWriter: Sendable {
    private var second = Int64.min
    private var untilSecond: [UInt8] = []

    mutating func append(_ monotonicNs: UInt64, clock: WallClock, to output: inout TextOutput) {
        let nsPerSecond: Int64 = 1_000_000_000
        var (second, ns) = clock.epochNs(monotonicNs).quotientAndRemainder(dividingBy: nsPerSecond)
        if ns < 0 { (second, ns) = (second - 1, ns + nsPerSecond) }
        if second != self.second {
            self.second = second
            untilSecond = Array(clock.timestamp(monotonicNs).utf8.prefix { $0 != UInt8(ascii: ".") })
        }
        output.append(untilSecond.span)
        output.append(UInt8(ascii: "."))
        output.append(decimal: UInt64(ns), width: 9)
        output.append(UInt8(ascii: "Z"))
    }
}
