// SPDX-License-Identifier: Apache-2.0

// What kernels of today withstand: the activities are seen and counted, and nothing is blamed on them.
// That they do not happen is half of the answer, so a test must be able to tell.

import Testing

@Suite(.enabled(if: Guests.areWanted))
struct WithstoodTests {
    static let guests = Guests.each("withstood")
    /// Provocation, and whether its activity counts pages.
    static let causes = [
        ("drop-caches", true), ("fadvise", true), ("reclaim", true), ("swap-out", true), ("migration", true),
        ("collapse", false),
    ]

    @Test("operations that skip held pages are counted and are no cause", arguments: guests)
    func nothingIsBlamed(guest: Guest) async throws {
        let run = try await GuestRuns.shared.run(guest)
        let trace = try run.trace("withstood")
        for (cause, countsPages) in Self.causes {
            let place: Comment = "\(cause), \(guest)"
            let provocation = try run.provocation(cause)
            var done = try #require(provocation.number("operations"), place)
            #expect(done > 0, place)
            // A page is written out once in several calls; the kernel counts how often.
            if cause == "swap-out" { done = provocation.object("evidence")?.number("pswpout") ?? 0 }
            #expect(done > 0, place)
            #expect(provocation.number("efault") == 0, place)
            let activity = try #require(trace.activity(cause), place)
            // The kernel does as many by itself, or more; fewer only where it skipped programs, and then
            // it says so.
            #expect((activity.number("operations") ?? 0) + trace.skips >= done, place)
            if countsPages {
                // A page that the victim holds all the time is tried and never moved.
                let moved = provocation.object("evidence")?.number("pgmigrate_success") ?? 1
                #expect((activity.number("pages") ?? 0 > 0) == (moved > 0), place)
            }
            #expect(trace.lookups.with("cause", cause).isEmpty, place)
        }
        // The unprovoked rest of the run: a lookup that went back may be reported, a failure may not.
        #expect(trace.lookups.with("outcome", "failed").isEmpty)
        #expect(trace.summary.number("observations") == 0)
    }

    @Test("no provocation, no finding", arguments: guests)
    func quietMeansQuiet(guest: Guest) async throws {
        let trace = try await GuestRuns.shared.run(guest).trace("quiet")
        #expect(trace.lookups.isEmpty)
        #expect(trace.progress.isEmpty)
        #expect(trace.summary.number("observations") == 0)
    }
}
