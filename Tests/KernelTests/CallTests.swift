// SPDX-License-Identifier: Apache-2.0

// Futex calls that come to the kernel in unusual ways: of the 32-bit table from a program of 64 bits, restarted after a
// signal, and as work of an io_uring within another call. At both depths a finding has the word and the operation of its
// own call, or none.

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

    @Test(
        "work of a ring does not get word and operation of the call in which it runs",
        arguments: [Guest.Mode.sentinel, .auto])
    func ring(mode: Guest.Mode) async throws {
        let run = try await GuestRuns.shared.run(
            Guest(kernel: "6.12", mode: mode, scenario: "rings", program: "rings"))
        let complaint = try run.text("rings.run.err")
        #expect(try run.words("rings.run.status") == ["0"], "\(mode): \(complaint)")
        let findings = try run.trace("rings").lookups.filter { $0.flag("unmapped") == true }
        #expect(try run.words("rings.out") == ["\(findings.count)"] && findings.count > 10, "\(mode)")
        for finding in findings {
            #expect(finding.text("uaddr") == nil, "\(mode)")
            // With the word, the memory area and so the cause are not known. At full depth the page is that of the pin.
            #expect(finding.text("cause") == (mode == .auto ? "zero-page" : "unknown"), "\(mode)")
            if mode == .auto { #expect(finding.text("operation") == nil) }
        }
    }
}
