// SPDX-License-Identifier: Apache-2.0

import Testing

@testable import Correlation

/// Rates with intervals.
@Suite("Rates") struct PoissonRateTests {
    /// From tables of the exact interval (chi-square quantiles).
    @Test(
        "the interval of a count is that of the tables",
        arguments: [
            (0, 0, 3.68888), (1, 0.02532, 5.57164), (2, 0.24221, 7.22469), (10, 4.79539, 18.39036),
            (100, 81.36400, 121.62700), (1000, 938.97, 1063.97),
        ] as [(UInt64, Double, Double)])
    func tables(count: UInt64, low: Double, high: Double) {
        let interval = PoissonRate.interval(of: count)
        #expect(abs(interval.lowerBound - low) <= 0.0005 * max(low, 0.02))
        #expect(abs(interval.upperBound - high) <= 0.0005 * high)
    }

    @Test("the exact interval and the approximation agree where one replaces the other") func seam() {
        let (exact, near) = (PoissonRate.interval(of: 100), PoissonRate.interval(of: 101))
        #expect(near.lowerBound - exact.lowerBound > 0.8 && near.lowerBound - exact.lowerBound < 1)
        #expect(near.upperBound - exact.upperBound > 1 && near.upperBound - exact.upperBound < 1.2)
    }

    @Test("a rate is a count by its exposure, and unknown without one") func exposure() throws {
        let rate = PoissonRate(count: 10, exposure: 4)
        #expect(rate.rate == 2.5)
        #expect(abs(try #require(rate.interval).upperBound - 18.39036 / 4) < 0.001)
        #expect(PoissonRate(count: 10, exposure: 0).rate == nil)
        #expect(PoissonRate(count: 10, exposure: 0).interval == nil)
    }
}
