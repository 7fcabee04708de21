// SPDX-License-Identifier: Apache-2.0

// A memory area that is replaced between the removal of its page and the observation shows nothing of that page: at both
// depths the finding has the true cause and file, or is unknown and names no file.

import Foundation
import Testing

@Suite(.enabled(if: Guests.areWanted))
struct RemapTests {
    static let guests = Kernels.matrix(short: ["6.12"]).flatMap { kernel in
        [Guest.Mode.sentinel, .auto].map {
            Guest(kernel: kernel, mode: $0, scenario: "remaps", program: "remaps", processors: 2)
        }
    }

    @Test(
        "an area that was replaced explains nothing",
        arguments: guests, ["tmpfs", "huge"].flatMap { place in ["anonymous", "file", "offset"].map { (place, $0) } })
    func replacedArea(guest: Guest, work: (place: String, replacement: String)) async throws {
        let run = try await GuestRuns.shared.run(guest)
        let name = "\(work.place)-\(work.replacement)"
        let comment: Comment = "\(guest), \(name)"
        #expect(try run.words(name + ".run.status") == ["0"], comment)
        let trace = try run.trace(name)
        let output = try run.words(name + ".out").compactMap { Int($0) }
        let (pid, failed) = (try #require(output.first), try #require(output.last))
        let observed = trace.lookups.filter { $0.flag("unmapped") == true }
        #expect(failed >= 5, comment)
        // While the area is being replaced, nothing is mapped at the address.
        #expect(trace.lookups.with("result", "EFAULT").count == failed, comment)
        #expect(observed.count == trace.summary.number("observations"), comment)
        for finding in observed {
            let page = finding.object("page")
            guard finding.text("cause") != "unknown" else {
                #expect(page?.text("path") == nil, comment)
                #expect(finding.text("unknown_reason") == "area-unreadable", comment)
                continue
            }
            #expect(finding.text("cause") == "hole-punch", comment)
            #expect(finding.object("detach")?.number("pid") == pid, comment)
            #expect(page?.number("index") == 0, comment)
            #expect(finding.flag("neighbour") != true, comment)
            let path = page?.text("path")
            #expect(path == nil || path == "/mnt/\(work.place)/removed", comment)
        }
        // At full depth the page's file was read when it was pinned.
        if guest.mode == .auto {
            #expect(observed.count { $0.text("cause") == "hole-punch" } * 2 > observed.count, comment)
        }
    }
}
