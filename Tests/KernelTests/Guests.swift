// SPDX-License-Identifier: Apache-2.0

// Which guests this run of the tests boots. Guests take minutes, so plain `swift test` leaves them out
// and says so; `make test` asks for them.

import Foundation
import Testing

enum Guests {
    /// Set by `make test`.
    static let areWanted = ProcessInfo.processInfo.environment["FUTEXSCOPE_GUESTS"] != nil
    /// Set by `make test-long`: also the guests for which `make test` is too short.
    static let areLong = ProcessInfo.processInfo.environment["FUTEXSCOPE_LONG"] != nil

    /// A scenario on every kernel of the matrix at the call sites.
    static func sentinel(_ scenario: String) -> [Guest] {
        guard areWanted else { return [] }
        return Kernels.matrix.map { Guest(kernel: $0, mode: .sentinel, scenario: scenario) }
    }

    /// A scenario on other kernels than the matrix has, of those that can be booted; some only in long runs.
    static func others(
        _ scenario: String, on kernels: [String] = [Kernels.newestArm64], _ modes: [Guest.Mode], long: [Guest.Mode] = []
    ) -> [Guest] {
        guard areWanted else { return [] }
        return kernels.filter { Kernels.available[$0] != nil && (areLong || !isArm64($0)) }.flatMap { kernel in
            (modes + (areLong ? long : [])).map { Guest(kernel: kernel, mode: $0, scenario: scenario) }
        }
    }

    /// The one guest of arm64 that short runs have as well: every cause, as a user gets them who asks for nothing.
    static let arm64: [Guest] =
        areWanted && Kernels.available[Kernels.newestArm64] != nil
        ? [Guest(kernel: Kernels.newestArm64, mode: .sentinel, scenario: "causes")] : []

    static func isArm64(_ kernel: String) -> Bool { kernel.hasSuffix("-arm64") }

    /// A scenario on every kernel of the matrix in both modes that follow every lookup. The second one, with kprobes
    /// alone, is that of one kernel in short runs: guests can be preempted, and there the first one has kprobes for
    /// lookups as well.
    static func each(_ scenario: String) -> [Guest] {
        guard areWanted else { return [] }
        return Kernels.matrix.flatMap { kernel in
            [Guest.Mode.auto, .kprobe].filter { areLong || $0 == .auto || kernel == "6.12" }
                .map { Guest(kernel: kernel, mode: $0, scenario: scenario) }
        }
    }
}

@Suite(.enabled(if: Guests.areWanted))
struct MatrixTests {
    @Test("the required kernels are available")
    func requiredKernelsAreThere() {
        for kernel in Kernels.required { #expect(Kernels.matrix.contains(kernel), "kernel \(kernel)") }
        for kernel in Kernels.optional where Kernels.available[kernel] == nil {
            let isForShortRuns = !Guests.isArm64(kernel) || kernel == Kernels.newestArm64
            guard Guests.areLong || isForShortRuns else { continue }
            say("SKIPPED kernel \(kernel): it is not in the cache, or make arm64 did not build a binary for it")
        }
    }
}
