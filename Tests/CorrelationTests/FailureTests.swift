// SPDX-License-Identifier: Apache-2.0

// Failures without an observation: the reason follows from what was read at the address and from nothing else, and
// such a finding has no cause, no verdicts and no place among the observations.

import EventSamples
import Events
import Testing

@testable import Correlation

@Suite struct FailureTests {
    struct Case: Sendable, CustomTestStringConvertible {
        var testDescription: String
        var lookup: Lookup
        var failure: Failure
        var kind: PageKind

        init(
            _ name: String, _ failure: Failure, _ kind: PageKind, writes: Bool = false,
            _ change: (inout PageFacts) -> Void
        ) {
            testDescription = name
            lookup = .faulted(.failure(change)) { if writes { $0.flags.insert(.write) } }
            (self.failure, self.kind) = (failure, kind)
        }
    }

    /// A page of an ordinary file that is inside of it, with nothing wrong.
    private static func inside(_ page: inout PageFacts) { page.fileSize = 8192 }

    static let cases = [
        Case("nothing is mapped", .unmappedAddress, .unknown) { $0.facts = [.failureDescribed, .noArea] },
        Case("no access at all", .noPermission, .file) { $0.facts.subtract([.areaIsReadable, .areaIsWritable]) },
        Case("reading in an area that is written only", .noPermission, .file) {
            inside(&$0)
            $0.facts.remove(.areaIsReadable)
        },
        Case("writing in an area that is read only", .noPermission, .file, writes: true) {
            inside(&$0)
            $0.facts.remove(.areaIsWritable)
        },
        Case("the page behind the last one", .beyondEndOfFile, .file) { _ in },
        Case("an empty file", .beyondEndOfFile, .file) { ($0.index, $0.fileSize) = (0, 0) },
        Case("a file that ends in the page is long enough", .other, .file) { $0.fileSize = 4097 },
        Case("memory of a device", .deviceMemory, .special) { $0.facts.insert(.areaRefusesPins) },
        Case("secret memory", .secretMemory, .special) { $0.magic = 0x5345_434d },
        Case("a poisoned page", .poisoned, .shmem) {
            inside(&$0)
            $0.magic = FileSystemMagic.tmpfs
            $0.facts.insert(.poisoned)
        },
        Case("no huge page", .noMemory, .hugetlb) {
            inside(&$0)
            $0.magic = FileSystemMagic.hugetlbfs
            $0.facts.insert(.noHugePage)
        },
        Case("anonymous memory, for no reason that is known", .other, .anon) {
            ($0.facts, $0.file) = ([.failureDescribed, .areaKnown, .areaIsReadable], FileID(device: 0, inode: 0))
        },
        Case("the area could not be read", .pin, .unknown) { $0.facts = .failureDescribed },
        Case("nobody has looked", .pin, .file) { $0.facts = [.areaKnown, .areaHasFile] },
    ]

    @Test("each reason follows from the facts", arguments: cases)
    func reason(one: Case) throws {
        var correlator = Correlator()
        let reported = correlator.take(.lookup(one.lookup))
        let finding = try #require(reported)
        #expect(finding.failure == one.failure)
        #expect(finding.kind == one.kind)
        #expect(finding.isFailureOnly)
        #expect(finding.explainedCause == nil && finding.verdicts == nil && finding.spurious == nil)
        #expect(correlator.summary.findings == 0)
        #expect(
            correlator.summary.failures == [Summary.FailureKey(failure: one.failure, operation: .wait): 1])
    }

    @Test("a read-only anonymous page is a failure of its own")
    func readOnly() throws {
        var correlator = Correlator()
        let lookup = Lookup.faulted { $0.flags = [.returned, .timed, .readOnly, .failedReadOnly] }
        #expect(correlator.take(.lookup(lookup))?.failure == .readOnlyAnonymous)
    }

    @Test("the end of a file is counted in pages of the traced machine")
    func pageSize() {
        let lookup = Lookup.faulted(.failure { ($0.index, $0.fileSize) = (1, 65_536) })
        #expect(lookup.failure(pageBytes: 65_536) == .beyondEndOfFile)
        #expect(lookup.failure(pageBytes: 4096) == .other)
    }

    @Test("another error number, and success, are no such findings")
    func others() {
        for result in [-12, -4, 0] as [Int32] {
            var correlator = Correlator()
            let lookup = Lookup.faulted { $0.result = result }
            #expect(!lookup.faulted)
            #expect(correlator.take(.lookup(lookup)) == nil)
            #expect(correlator.summary.failures.isEmpty)
        }
    }

    @Test("a lookup that met a page before it failed is an observation with a reason beside it")
    func afterObservation() throws {
        var correlator = Correlator()
        let reported = correlator.take(.lookup(.faulted { $0.observations = 1 }))
        let finding = try #require(reported)
        #expect(!finding.isFailureOnly)
        #expect(finding.failure == .beyondEndOfFile)
        #expect(correlator.summary.findings == 1 && correlator.summary.judged == 1)
        #expect(correlator.summary.failures.values.reduce(0, +) == 1)
    }
}
