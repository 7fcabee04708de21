// SPDX-License-Identifier: Apache-2.0

// How often something happens, from how often it was counted: the rate and its 95 % interval, if the counted things are
// independent of each other. The interval is that of Garwood (1936): its ends are the rates under which a count this high,
// and a count this low, has a probability of 2.5 %.

/// A count over an exposure, such as hours or millions of lookups.
public struct PoissonRate: Sendable, Equatable {
    public var count: UInt64
    /// In units of the rate; 0 where it is not known.
    public var exposure: Double

    public init(count: UInt64, exposure: Double) { (self.count, self.exposure) = (count, exposure) }

    /// Per unit of exposure; nil where that is not known.
    public var rate: Double? { exposure > 0 ? Double(count) / exposure : nil }

    /// 95 %, per unit of exposure; nil where that is not known.
    public var interval: ClosedRange<Double>? {
        guard exposure > 0 else { return nil }
        let mean = Self.interval(of: count)
        return mean.lowerBound / exposure...mean.upperBound / exposure
    }

    /// Above this count the ends are those of Byar's approximation, which differs by less than a thousandth there.
    private static let exactLimit: UInt64 = 100
    private static let tail = 0.025
    /// In standard deviations: the part of the normal distribution above this value is `tail`.
    private static let deviations = 1.959963984540054

    /// Of the mean of a count.
    static func interval(of count: UInt64) -> ClosedRange<Double> {
        guard count <= exactLimit else {
            return byar(Double(count), -deviations)...byar(Double(count) + 1, deviations)
        }
        let low = count == 0 ? 0 : mean { 1 - probability(ofAtMost: count - 1, mean: $0) > tail }
        return low...mean { probability(ofAtMost: count, mean: $0) < tail }
    }

    private static func byar(_ count: Double, _ deviations: Double) -> Double {
        let root = 1 - 1 / (9 * count) + deviations / (3 * count.squareRoot())
        return count * root * root * root
    }

    /// The smallest mean for which `isAbove` is true, by bisection.
    private static func mean(_ isAbove: (Double) -> Bool) -> Double {
        var (low, high) = (0.0, 2 * Double(exactLimit))
        for _ in 0..<60 {
            let middle = (low + high) / 2
            if isAbove(middle) { high = middle } else { low = middle }
        }
        return (low + high) / 2
    }

    private static func probability(ofAtMost count: UInt64, mean: Double) -> Double {
        var (term, sum) = (1.0, 1.0)
        for number in 0..<count {
            term *= mean / Double(number + 1)
            sum += term
        }
        return sum * exponential(minus: mean)
    }

    /// e to the power of `-value`, for values up to some hundreds: the series for a 1024th of it, squared ten times.
    private static func exponential(minus value: Double) -> Double {
        let part = -value / 1024
        var (term, sum) = (1.0, 1.0)
        for number in 1...12 {
            term *= part / Double(number)
            sum += term
        }
        for _ in 0..<10 { sum *= sum }
        return sum
    }
}
