// SPDX-License-Identifier: Apache-2.0

import EventSamples
import Events
import Testing

@testable import Correlation

/// What each rule would have done, and whether a failure was spurious.
@Suite("Verdicts") struct VerdictTests {
    struct Case: Sendable, CustomTestStringConvertible {
        var what: String
        var lookup: Lookup
        var detach: Detach?
        var verdicts: Verdicts?
        var spurious: Bool?
        var testDescription: String { what }
    }

    /// A letter for each rule in the order of `Rule.allCases`: s(ucceeds), f(ails), l(oops), ? for unknown.
    static func rules(_ letters: String) -> Verdicts {
        let results = letters.map { letter in
            RuleResult.allCases.first { $0 == .unknown ? letter == "?" : $0.rawValue.first == letter }!
        }
        return Verdicts(
            vma: results[0], retry: results[1], retryZero: results[2], efault: results[3], fallback: results[4],
            swizzle: results[5])
    }

    static let fails = rules("sfffsf")
    static let happyToFail = rules("sssfsf")
    static let swizzled = rules("sssfss")

    private static let hugetlb: UInt32 = 0x9584_58f6
    private static let tmpfs: UInt32 = 0x0102_1994

    static let cases: [Case] = [
        Case(
            what: "a page inside its file would have been found again", lookup: .sample(), detach: .sample(),
            verdicts: happyToFail, spurious: true),
        Case(
            what: "the last page of a file counts as inside, also when it is not full",
            lookup: .sample(page: .sample { $0.index = 9 }), detach: .sample { $0.fileSize = 9 * 4096 + 1 },
            verdicts: happyToFail, spurious: true),
        Case(
            what: "the first page beyond the end would not have been found again",
            lookup: .sample(page: .sample { $0.index = 10 }), detach: .sample(), verdicts: fails, spurious: false),
        Case(
            what: "the size is that at the detach, not a later one",
            lookup: .sample(page: .sample { $0.fileSize = 0 }), detach: .sample(), verdicts: happyToFail,
            spurious: true),
        Case(
            what: "a file cut to nothing", lookup: .sample(), detach: .sample { $0.fileSize = 0 },
            verdicts: fails, spurious: false),
        Case(
            what: "a hole in a neighbour page", lookup: .sample(),
            detach: .sample { ($0.index, $0.pages, $0.hole) = (0, 16, 0..<4096) }, verdicts: happyToFail,
            spurious: true),
        Case(
            what: "a hole in hugetlbfs",
            lookup: .sample(
                page: .sample {
                    $0.magic = hugetlb
                    $0.index = 511
                }),
            detach: .sample { ($0.magic, $0.pages, $0.fileSize) = (hugetlb, 512, 2 << 20) },
            verdicts: happyToFail, spurious: true),
        Case(
            what: "beyond the end of hugetlbfs",
            lookup: .sample(
                page: .sample {
                    $0.magic = hugetlb
                    $0.index = 512
                }),
            detach: .sample { ($0.magic, $0.pages, $0.fileSize) = (hugetlb, 512, 2 << 20) }, verdicts: fails,
            spurious: false),
        Case(
            what: "swap cache under the lock is what the swizzle rule retries for",
            lookup: .sample(
                page: .sample {
                    $0.magic = tmpfs
                    $0.facts.insert(.swapCache)
                }
            ) {
                $0.succeed(inPass: 2)
                $0.retries.swizzled = 1
            },
            detach: .sample { ($0.via, $0.magic) = (.swapOut, tmpfs) }, verdicts: swizzled, spurious: false),
        Case(
            what: "a retry that succeeded, with another page's facts",
            lookup: .sample {
                $0.succeed(inPass: 2)
                $0.retries.swizzled = 1
            }, detach: .sample(),
            verdicts: swizzled, spurious: false),
        Case(
            what: "the zero page", lookup: .sample(page: .zero()), verdicts: rules("slffff"), spurious: false),
        Case(
            what: "the huge zero page, which 3.1 did not know",
            lookup: .sample(page: .zero { $0.facts = [.areaKnown, .zeroPage, .large] }), verdicts: rules("sllfff"),
            spurious: false),
        Case(
            what: "the zero page in an area that could not be read",
            lookup: .sample(page: .zero { $0.facts = [.zeroPage] }), verdicts: rules("?lff?f"), spurious: false),
        Case(
            what: "the zero page in a private mapping of /dev/zero is not that file's page",
            lookup: .sample(
                page: .zero { ($0.facts, $0.magic) = ([.areaKnown, .areaHasFile, .zeroPage, .nullAtPin], tmpfs) }),
            verdicts: rules("slffff"), spurious: false),
        Case(
            what: "the zero page in a hole of a DAX file is that file's page",
            lookup: .sample(
                page: .zero { $0.facts = [.areaKnown, .areaHasFile, .areaHasOperations, .dax, .reserved, .nullAtPin] }),
            verdicts: rules("slffsf"), spurious: false),
        Case(
            what: "a shared extent of a DAX file",
            lookup: .sample(
                page: .sample {
                    $0.facts = [.areaKnown, .areaHasFile, .areaHasOperations, .dax, .nullAtPin]
                    $0.slot = .empty
                }), verdicts: rules("sllfsf"), spurious: nil),
        Case(
            what: "the same where DAX areas are VM_MIXEDMAP",
            lookup: .sample(
                page: .sample {
                    $0.facts = [.areaKnown, .areaHasFile, .areaHasOperations, .areaIsDriver, .dax, .nullAtPin]
                    $0.slot = .empty
                }), verdicts: rules("sllfsf"), spurious: nil),
        Case(
            what: "a driver's page: VM_IO cannot be distinguished from VM_MIXEDMAP, and the inode may be shared",
            lookup: .sample(
                page: .zero {
                    $0.facts = [.areaKnown, .areaHasFile, .areaHasOperations, .areaIsDriver, .nullAtPin]
                }), verdicts: rules("?llfff"), spurious: false),
        Case(
            what: "a file's page whose area could not be read, and whose detach was seen",
            lookup: .sample(page: .sample { $0.facts = [] }), detach: .sample(), verdicts: happyToFail, spurious: true),
        Case(
            what: "a detach of no file says nothing of the area",
            lookup: .sample(page: .sample { $0.facts = [] }),
            detach: .sample { $0.file = FileID(device: 0, inode: 0) }, verdicts: rules("?ssf?f"), spurious: true),
        Case(
            what: "shared memory behaves as a file",
            lookup: .sample(page: .sample { $0.magic = tmpfs }), detach: .sample { $0.magic = tmpfs },
            verdicts: happyToFail, spurious: true),
        Case(
            what: "the vDSO", lookup: .sample(page: .zero { $0.facts.insert(.areaHasOperations) }),
            verdicts: rules("sllfff"), spurious: false),
        Case(
            what: "an area that could not be read",
            lookup: .sample(
                page: .sample {
                    $0.facts = []
                    $0.slot = .empty
                }), verdicts: rules("???f?f"), spurious: nil),
        Case(
            what: "a file whose detach is unknown may have been cut and grown again",
            lookup: .sample(page: .sample { $0.slot = .empty }), verdicts: rules("s??fsf"), spurious: nil),
        Case(
            what: "a file that was too short at the observation did not back the page",
            lookup: .sample(
                page: .sample {
                    $0.slot = .empty
                    $0.fileSize = 0
                }), verdicts: fails, spurious: false),
        Case(
            what: "a failure of the pin in a later pass is no failure of the observation",
            lookup: .sample { $0.flags = [.returned, .timed, .pinFailed] }, detach: .sample(), verdicts: happyToFail,
            spurious: false),
        Case(
            what: "nor is a read-only anonymous page in a later pass",
            lookup: .sample { $0.flags = [.returned, .timed, .failedReadOnly] }, detach: .sample(),
            verdicts: happyToFail, spurious: false),
        Case(
            what: "another error does not come from the rule",
            lookup: .sample { ($0.result, $0.flags) = (-22, [.returned, .timed]) }, detach: .sample(),
            verdicts: happyToFail, spurious: false),
        Case(
            what: "no observation, nothing to decide",
            lookup: .sample {
                $0.succeed(inPass: 2)
                ($0.observations, $0.retries.mappingChanged) = (0, 1)
            },
            detach: .sample(), verdicts: nil, spurious: nil),
    ]

    @Test("rules and spuriousness", arguments: cases)
    func verdict(_ one: Case) throws {
        var correlator = Correlator()
        if let detach = one.detach { _ = correlator.take(.detach(detach)) }
        let reported = correlator.take(.lookup(one.lookup))
        let finding = try #require(reported)
        #expect(finding.verdicts == one.verdicts)
        #expect(finding.spurious == one.spurious)
    }

    @Test("a lookup failed by the observation, by the pin, by a read-only page, or by something else")
    func failures() {
        let cases: [(Lookup.Flags, Int32?, Failure?)] = [
            ([.failedUnmapped], -14, .unmapped), ([.pinFailed], -14, .pin),
            ([.failedReadOnly], -14, .readOnlyAnonymous),
            ([], -22, .other), ([], 0, nil), ([], nil, nil),
        ]
        for (flags, result, failure) in cases {
            let lookup = Lookup.sample { ($0.flags, $0.result) = (flags, result) }
            #expect(found(.detach(.sample()), .lookup(lookup))?.failure == failure)
        }
    }

    /// The hole, the page of the futex, and whether that page was only a neighbour.
    @Test(
        "a hole is in a neighbour page unless it touches the futex's own",
        arguments: [
            (12_288..<16_384, false), (0..<12_288, true), (16_384..<20_480, true), (0..<12_289, false),
            (16_383..<20_000, false),
        ] as [(Range<UInt64>, Bool)])
    func neighbour(hole: Range<UInt64>, isNeighbour: Bool) throws {
        let finding = try #require(found(.detach(.sample { $0.hole = hole }), .lookup(.sample())))
        #expect(finding.cause == .holePunch)
        #expect(finding.neighbour == isNeighbour)
    }

    @Test("the size of a page is that of the traced machine")
    func pageSize() throws {
        let bytes: UInt64 = 65_536
        func finding(_ detach: Detach) -> Finding? {
            var correlator = Correlator(pageBytes: bytes)
            return ([.detach(detach), .lookup(.sample())] as [Event]).reduce(Finding?.none) { correlator.take($1) }
        }
        // The futex is in page 3.
        #expect(finding(.sample { $0.hole = 3 * bytes..<4 * bytes })?.neighbour == false)
        #expect(finding(.sample { $0.hole = 0..<3 * bytes })?.neighbour == true)
        #expect(finding(.sample { $0.fileSize = 3 * bytes + 1 })?.spurious == true)
        #expect(finding(.sample { $0.fileSize = 3 * bytes })?.spurious == false)
    }

    @Test("without a hole, or by another cause, there is no neighbour")
    func noNeighbour() throws {
        let unknownHole = Detach.sample { $0.hole = nil }
        #expect(found(.detach(unknownHole), .lookup(.sample()))?.neighbour == nil)
        let reclaim = Detach.sample { $0.landmarks = [.reclaim] }
        #expect(found(.detach(reclaim), .lookup(.sample()))?.neighbour == nil)
    }
}
