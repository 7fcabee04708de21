// SPDX-License-Identifier: Apache-2.0

// Futex calls that come to the kernel in unusual ways: of the 32-bit table from a program of 64 bits, and restarted after
// a signal. At both depths each finding has the word and the operation of its call.

import Testing

@Suite(.enabled(if: Guests.areWanted))
struct CallTests {
    static let guests = [Guest.Mode.sentinel, .auto].map {
        Guest(kernel: "6.12", mode: $0, scenario: "calls", program: "calls")
    }

    @Test("a call has its word and its operation, however it comes to the kernel", arguments: guests)
    func calls(guest: Guest) async throws {
        let run = try await GuestRuns.shared.run(guest)
        let complaint = try run.text("calls.run.err")
        #expect(try run.words("calls.run.status") == ["0"], "\(guest): \(complaint)")
        let made = try run.text("calls.out").split(separator: "\n").map { String($0) }
        #expect(made.count == 3)
        let findings = try run.trace("calls").lookups.filter { $0.flag("unmapped") == true }
        #expect(findings.map { "\($0.text("operation") ?? "") \($0.text("uaddr") ?? "")" } == made, "\(guest)")
        #expect(findings.allSatisfy { $0.text("cause") == "zero-page" && $0.text("confidence") == "exact" }, "\(guest)")
    }
}
