// SPDX-License-Identifier: Apache-2.0

import EventSamples
import Events
import Testing

@testable import Correlation

/// What the facts of a detach, or of a page, say about the cause.
@Suite("Causes") struct CauseTests {
    /// The stack of a culprit and what it means.
    struct Stack: Sendable, CustomTestStringConvertible {
        var landmarks: Landmarks
        var scope: ActivityKind?
        var hole: Range<UInt64>?
        var via: Detach.Source = .pageCache
        var isNamed = true
        var cause: Cause
        var confidence: Confidence
        var testDescription: String { "\(landmarks.rawValue) in \(scope?.name ?? "nothing") is \(cause.rawValue)" }
    }

    static let stacks: [Stack] = [
        Stack(landmarks: [.invalidate2], cause: .directIOInvalidation, confidence: .exact),
        Stack(landmarks: [.dropCaches, .invalidate], cause: .dropCaches, confidence: .exact),
        Stack(landmarks: [.fadvise, .invalidate], cause: .fadvise, confidence: .exact),
        Stack(landmarks: [.reclaim], cause: .reclaim, confidence: .exact),
        Stack(landmarks: [.setSize, .truncateRange], cause: .truncate, confidence: .exact),
        Stack(landmarks: [.blockDeviceTruncate, .truncateRange], cause: .blockZeroOut, confidence: .exact),
        Stack(landmarks: [.swapOut, .reclaim], cause: .swapOut, confidence: .exact),
        Stack(landmarks: [.migration], cause: .migration, confidence: .exact),
        Stack(landmarks: [.collapse], cause: .collapse, confidence: .exact),
        Stack(landmarks: [.split], cause: .split, confidence: .exact),
        Stack(landmarks: [.memoryFailure, .truncateRange], cause: .memoryFailure, confidence: .exact),
        Stack(landmarks: [.evict, .truncateRange], cause: .other, confidence: .exact),
        Stack(landmarks: [.invalidate], cause: .other, confidence: .exact),
        // One stack, three operations.
        Stack(
            landmarks: [.fallocate, .truncateRange], scope: .holePunch, hole: 0..<4096, cause: .holePunch,
            confidence: .exact),
        Stack(landmarks: [.fallocate, .truncateRange], hole: 0..<4096, cause: .holePunch, confidence: .exact),
        Stack(landmarks: [.fallocate, .truncateRange], scope: .fallocateOther, cause: .other, confidence: .exact),
        Stack(landmarks: [.fallocate, .truncateRange], cause: .other, confidence: .inferred),
        // An operation that allocates may reclaim; the pages that it then detaches are detached by reclaim.
        Stack(landmarks: [.reclaim, .setSize], scope: .truncate, cause: .reclaim, confidence: .exact),
        Stack(landmarks: [.fallocate, .reclaim], scope: .holePunch, cause: .reclaim, confidence: .exact),
        // Where the stack names no cause, the operation in progress does.
        Stack(landmarks: [], scope: .dropCaches, cause: .dropCaches, confidence: .inferred),
        Stack(landmarks: [], scope: .truncate, isNamed: false, cause: .truncate, confidence: .inferred),
        Stack(landmarks: [], scope: .fallocateOther, cause: .other, confidence: .inferred),
        Stack(landmarks: [], cause: .other, confidence: .exact),
        Stack(landmarks: [], isNamed: false, cause: .unknown, confidence: .none),
        // These hooks see only one operation.
        Stack(landmarks: [], via: .swapOut, isNamed: false, cause: .swapOut, confidence: .exact),
        Stack(landmarks: [.reclaim], via: .migration, cause: .migration, confidence: .exact),
    ]

    @Test("a detach is explained by its stack, else by the operation in progress", arguments: stacks)
    func stack(_ stack: Stack) throws {
        let finding = try #require(
            found(
                .detach(
                    .sample {
                        ($0.landmarks, $0.scope, $0.hole) = (stack.landmarks, stack.scope, stack.hole)
                        ($0.via, $0.stackIsNamed) = (stack.via, stack.isNamed)
                    }), .lookup(.sample())))
        #expect(finding.cause == stack.cause)
        #expect(finding.confidence == stack.confidence)
        #expect(finding.unknownReason == (stack.cause == .unknown ? .stackUnnamed : nil))
        #expect(finding.detach?.culprit == .culprit)
    }

    @Test("every cause but those of pages that never have a mapping has a stack in the table above")
    func everyCause() {
        let unmarked: Set<Cause> = [.zeroPage, .specialMapping]
        #expect(Set(Self.stacks.map(\.cause)).union(unmarked) == Set(Cause.allCases))
    }

    @Test("a place beyond all files lies in no hole", arguments: [UInt64(1) << 52 - 1, 1 << 52, .max, .max - 1])
    func farIndex(index: UInt64) throws {
        let detach = Detach.sample {
            ($0.index, $0.landmarks, $0.hole) = (index, [.fallocate, .truncateRange], 0..<4096)
        }
        let finding = try #require(found(.detach(detach), .lookup(.sample(page: .sample { $0.index = index }))))
        #expect(finding.neighbour == nil)
    }

    /// A page without a known detach, and its cause.
    struct Page: Sendable, CustomTestStringConvertible {
        var what: String
        var page: PageFacts
        var cause: Cause
        var kind: PageKind
        var reason: UnknownReason?
        var isIncomplete = false
        var testDescription: String { what }
    }

    static let pages: [Page] = [
        Page(what: "the zero page", page: .zero(), cause: .zeroPage, kind: .zero),
        Page(
            what: "the vDSO, an area with operations and no file",
            page: .zero { $0.facts = [.areaKnown, .areaHasOperations, .nullAtPin] }, cause: .specialMapping,
            kind: .special),
        Page(
            what: "a page that a driver maps",
            page: .zero { $0.facts = [.areaKnown, .areaHasFile, .areaHasOperations, .areaIsDriver, .nullAtPin] },
            cause: .specialMapping, kind: .special),
        Page(
            what: "the zero page in a hole of a DAX file",
            page: .sample {
                $0.facts = [.areaKnown, .areaHasFile, .dax, .reserved, .nullAtPin]
                $0.slot = .empty
            },
            cause: .zeroPage, kind: .zero),
        Page(
            what: "a shared extent of a DAX file",
            page: .sample {
                $0.facts = [.areaKnown, .areaHasFile, .dax, .nullAtPin]
                $0.slot = .empty
            },
            cause: .specialMapping, kind: .file),
        // A mapping when pinned and none under the lock is a race, whatever the area.
        Page(
            what: "a driver's area whose page lost its mapping after the pin",
            page: .zero { $0.facts = [.areaKnown, .areaHasFile, .areaIsDriver] }, cause: .unknown,
            kind: .special, reason: .noDetachSeen),
        Page(
            what: "a file's page whose detach was not stored",
            page: .sample { $0.slot = .empty }, cause: .unknown, kind: .file, reason: .noDetachSeen),
        // Another task may have replaced the area after the pin, and before its result was read.
        Page(
            what: "a page in an anonymous area that was up to date, with a detach of its own",
            page: .zero { ($0.facts, $0.slot) = ([.areaKnown, .nullAtPin], .stale) }, cause: .unknown, kind: .zero,
            reason: .formerLife),
        Page(
            what: "such a page whose slot was overwritten",
            page: .zero { ($0.facts, $0.slot) = ([.areaKnown, .nullAtPin], .otherPage) }, cause: .unknown, kind: .zero,
            reason: .slotOverwritten, isIncomplete: true),
        Page(
            what: "a page that had no mapping when pinned, in an area that could not be read",
            page: .sample {
                $0.facts = [.nullAtPin]
                $0.slot = .empty
            }, cause: .unknown, kind: .unknown,
            reason: .areaUnreadable),
        Page(
            what: "a slot with another page's detach",
            page: .sample { $0.slot = .otherPage }, cause: .unknown, kind: .file, reason: .slotOverwritten,
            isIncomplete: true),
        Page(
            what: "a detach of a former life of the page",
            page: .sample { $0.slot = .stale }, cause: .unknown, kind: .file, reason: .formerLife),
        Page(
            what: "a slot that was being written",
            page: .sample { $0.slot = .torn }, cause: .unknown, kind: .file, reason: .slotTorn, isIncomplete: true),
        Page(
            what: "a detach that was found in the kernel and did not arrive",
            page: .sample(), cause: .unknown, kind: .file, reason: .detachLost, isIncomplete: true),
    ]

    @Test("a page without a detach has the cause of its kind, or an unknown one with the reason", arguments: pages)
    func page(_ page: Page) throws {
        let finding = try #require(found(.lookup(.sample(page: page.page))))
        #expect(finding.cause == page.cause)
        #expect(finding.kind == page.kind)
        #expect(finding.unknownReason == page.reason)
        #expect(finding.isIncomplete == page.isIncomplete)
        #expect(finding.confidence == (page.cause == .unknown ? .none : .exact))
        #expect(finding.detach == nil)
    }

    @Test("an unknown cause is incomplete once evidence was lost, a known one is not")
    func lostEvidence() throws {
        let lost = Event.lost(Loss(time: 0, stage: .programMissed, count: 1))
        let unknown = Lookup.sample(page: .sample { $0.slot = .empty })
        #expect(found(lost, .lookup(unknown))?.isIncomplete == true)
        #expect(found(lost, .detach(.sample()), .lookup(.sample()))?.isIncomplete == false)
        let harmless = Event.lost(Loss(time: 0, stage: .ringActivity, count: 1))
        #expect(found(harmless, .lookup(unknown))?.isIncomplete == false)
    }

    @Test("a lookup that only retried has no cause of its own, but that of a detach it met")
    func changedMapping() throws {
        let wentBack = Lookup.sample(page: .zero()) {
            $0.succeed(inPass: 2)
            ($0.observations, $0.retries.mappingChanged) = (0, 1)
        }
        let plain = try #require(found(.lookup(wentBack)))
        #expect((plain.cause, plain.unknownReason) == (.unknown, .notObserved))
        #expect(plain.verdicts == nil)
        #expect(plain.outcome == .retried)
        let met = Lookup.sample {
            $0.succeed(inPass: 2)
            ($0.observations, $0.retries.mappingChanged) = (0, 1)
        }
        #expect(found(.detach(.sample()), .lookup(met))?.cause == .holePunch)
    }

    // MARK: At the sentinel depth

    static let pagesFromInside: [Page] = [
        Page(what: "the zero page", page: .zero { $0.facts.remove(.nullAtPin) }, cause: .zeroPage, kind: .zero),
        Page(
            what: "the huge zero page", page: .zero { $0.facts = [.areaKnown, .large] }, cause: .zeroPage, kind: .zero),
        Page(
            what: "the vDSO", page: .zero { $0.facts = [.areaKnown, .areaHasOperations, .reserved] },
            cause: .specialMapping, kind: .special),
        Page(
            what: "a page that a driver maps",
            page: .zero { $0.facts = [.areaKnown, .areaHasFile, .areaHasOperations, .areaIsDriver] },
            cause: .specialMapping, kind: .special),
        Page(
            what: "the zero page, whatever is in its slot",
            page: .zero { ($0.facts, $0.slot) = ([.areaKnown, .reserved], .otherPage) }, cause: .zeroPage, kind: .zero),
        // Another task may have replaced the area: hugetlbfs removes PG_uptodate before the mapping.
        Page(
            what: "a huge page with a detach of its own, in an anonymous area",
            page: .zero { ($0.facts, $0.slot) = ([.areaKnown, .large, .notUpToDate], .stale) }, cause: .unknown,
            kind: .zero, reason: .formerLife),
        Page(
            what: "the huge zero page, whatever is in its slot",
            page: .zero { ($0.facts, $0.slot) = ([.areaKnown, .large, .notUpToDate], .otherPage) }, cause: .zeroPage,
            kind: .zero),
        Page(
            what: "a driver's page that was never up to date, with a detach of an earlier use",
            page: .zero { ($0.facts, $0.slot) = ([.areaKnown, .areaHasFile, .areaIsDriver, .notUpToDate], .stale) },
            cause: .specialMapping, kind: .special),
        // Without the pin it is not known whether it just lost its mapping or never had one.
        Page(
            what: "a driver's page that a file detached within the time",
            page: .zero { ($0.facts, $0.slot) = ([.areaKnown, .areaHasFile, .areaIsDriver], .stale) }, cause: .unknown,
            kind: .special, reason: .formerLife),
        Page(
            what: "a driver's page whose slot was overwritten",
            page: .zero { ($0.facts, $0.slot) = ([.areaKnown, .areaHasFile, .areaIsDriver], .otherPage) },
            cause: .unknown, kind: .special, reason: .slotOverwritten, isIncomplete: true),
        Page(
            what: "a page of a DAX file",
            page: .sample { ($0.facts, $0.slot) = ([.areaKnown, .areaHasFile, .dax], .empty) }, cause: .unknown,
            kind: .file, reason: .noDetachSeen),
        Page(
            what: "a file's page whose detach was not stored",
            page: .sample { $0.slot = .empty }, cause: .unknown, kind: .file, reason: .noDetachSeen),
        Page(
            what: "a page of an area that could not be read",
            page: .sample { ($0.facts, $0.slot) = ([], .stale) }, cause: .unknown, kind: .unknown,
            reason: .areaUnreadable),
        Page(
            what: "a page of such an area that had no mapping at the pin, with the detach of some file in its slot",
            page: .sample { ($0.facts, $0.slot) = ([.nullAtPin], .stale) }, cause: .unknown,
            kind: .unknown, reason: .areaUnreadable),
        Page(
            what: "a page of such an area whose slot was overwritten",
            page: .sample { ($0.facts, $0.slot) = ([], .otherPage) }, cause: .unknown, kind: .unknown,
            reason: .slotOverwritten, isIncomplete: true),
        Page(
            what: "a reserved page of such an area, which has no detach",
            page: .zero { ($0.facts, $0.slot) = ([.reserved], .otherPage) }, cause: .unknown, kind: .unknown,
            reason: .areaUnreadable),
        Page(
            what: "a page of such an area whose slot was being written",
            page: .sample { ($0.facts, $0.slot) = ([], .torn) }, cause: .unknown, kind: .unknown,
            reason: .slotTorn, isIncomplete: true),
    ]

    @Test(
        "at the sentinel depth, a page has the cause of its kind, or an unknown one with the reason",
        arguments: pagesFromInside)
    func pageFromInside(_ page: Page) throws {
        let finding = try #require(found(.lookup(.inside(page: page.page))))
        #expect(finding.cause == page.cause)
        #expect(finding.kind == page.kind)
        #expect(finding.unknownReason == page.reason)
        #expect(finding.isIncomplete == page.isIncomplete)
    }

    @Test("at the sentinel depth, an observation is explained by its detach, whose age is that at the observation")
    func detachFromInside() throws {
        let finding = try #require(found(.detach(.sample()), .lookup(.inside())))
        #expect((finding.cause, finding.confidence, finding.outcome) == (.holePunch, .exact, .failed))
        #expect(finding.detachAgeNs == 1840)
        #expect(finding.spurious == true)
        #expect(finding.lookup.durationNs == nil)
    }

    @Test("a lookup that retries has the outcome retried, and its result is not known")
    func goesBack() throws {
        let finding = try #require(found(.detach(.sample()), .lookup(.goingBack(rounds: 1))))
        #expect((finding.outcome, finding.lookup.result, finding.failure) == (.retried, nil, nil))
        #expect(finding.verdicts == VerdictTests.swizzled)
        #expect(finding.spurious == false)
        #expect(found(.progress(.goingBack(rounds: 32))) == nil)
        let loop = try #require(found(.progress(.goingBack(rounds: 64))))
        #expect((loop.outcome, loop.isProgress) == (.looping, true))
    }

    // MARK: Detaches that do not match

    @Test("a detach of another page, or of another time, explains nothing")
    func otherDetach() throws {
        #expect(found(.detach(.sample()), .lookup(.sample()))?.cause == .holePunch)
        for detach in [
            Detach.sample { $0.page = PageID(rawValue: 0x3f2b) }, .sample { $0.time -= 1 }, .sample { $0.time += 1 },
        ] {
            let finding = try #require(found(.detach(detach), .lookup(.sample())))
            #expect(finding.cause == .unknown)
            #expect(finding.unknownReason == .detachLost)
            #expect(finding.detach == nil)
        }
    }

    @Test(
        "a detach of this page explains nothing where the kernel side did not match it",
        arguments: [PageFacts.SlotAnswer.notAsked, .empty, .otherPage, .stale, .torn])
    func unmatched(slot: PageFacts.SlotAnswer) throws {
        let finding = try #require(found(.detach(.sample()), .lookup(.sample(page: .sample { $0.slot = slot }))))
        #expect(finding.cause == .unknown)
        #expect(finding.detach == nil)
    }

    @Test("a detach that comes after its lookup explains nothing")
    func lateDetach() throws {
        var correlator = Correlator()
        let reported = correlator.take(.lookup(.sample()))
        let finding = try #require(reported)
        #expect(finding.unknownReason == .detachLost)
        #expect(correlator.take(.detach(.sample())) == nil)
    }

    @Test("the zero page is known by its number where the area is not known")
    func zeroPageByNumber() throws {
        let lookup = Lookup.sample(page: .zero { $0.facts = [.zeroPage] })
        let page = try #require(lookup.page)
        let attribution = Attribution(lookup: lookup, page: page, detach: nil, pageBytes: 4096)
        #expect((attribution.cause, attribution.confidence) == (.zeroPage, .exact))
        #expect(attribution.kind == .zero)
        #expect(attribution.verdicts(for: lookup, page: page, detach: nil).retry == .loops)
        let other = Attribution(lookup: lookup, page: .zero { $0.facts = [.reserved] }, detach: nil, pageBytes: 4096)
        #expect(other.cause == .unknown)
    }

    @Test("where the file system is not known, neither is the kind of the page nor whether it was backed")
    func unknownFileSystem() throws {
        let detach = Detach.sample { ($0.magic, $0.fileSize) = (0, 0) }
        let lookup = Lookup.sample(page: .sample { $0.facts = [] })
        let page = try #require(lookup.page)
        let attribution = Attribution(lookup: lookup, page: page, detach: detach, pageBytes: 4096)
        #expect(attribution.cause == .holePunch)
        #expect(attribution.kind == .unknown)
        #expect(attribution.isBacked(page, detach: detach) == nil)
        #expect(attribution.verdicts(for: lookup, page: page, detach: detach).retry == .unknown)
    }
}

/// The finding that the last of some events completes.
func found(_ events: Event...) -> Finding? {
    var correlator = Correlator()
    return events.reduce(Finding?.none) { _, event in correlator.take(event) }
}
