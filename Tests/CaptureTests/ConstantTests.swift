// SPDX-License-Identifier: Apache-2.0

// Every constant of the C records against its twin in Swift. The constants are read from the header itself, so that a
// new one without a twin fails here.

import Events
import Foundation
import Testing

@testable import Capture

/// The constants of bpf/shared/records.h, as C gives them their values.
struct HeaderConstants {
    /// By the name of the enumeration, without its own name for "how many".
    private(set) var enumerations: [String: [String: UInt64]] = [:]
    /// Macros that are one bit.
    private(set) var bits: [String: UInt64] = [:]

    init() throws {
        let file = URL(filePath: #filePath).deletingLastPathComponent().appending(path: "../../bpf/shared/records.h")
        // Comments may hold anything.
        let text = try String(contentsOf: file, encoding: .utf8)
            .replacing(#//\*(.|\n)*?\*//#, with: "")
        for match in text.matches(of: #/enum (\w+) \{([^}]*)\}/#) {
            var next: UInt64 = 0
            for part in match.2.split(separator: ",") {
                let words = part.split(separator: "=").map { $0.trimmingCharacters(in: .whitespacesAndNewlines) }
                guard let name = words.first, !name.isEmpty else { continue }
                if words.count > 1 { next = try #require(UInt64(words[1])) }
                enumerations[String(match.1), default: [:]][name] = next
                next += 1
            }
        }
        for match in text.matches(of: #/#define (FS_\w+)\s+\(1u << (\d+)\)/#) {
            bits[String(match.1)] = 1 << (try #require(UInt64(match.2)))
        }
    }
}

@Suite("Constants of the C records") struct ConstantTests {
    private let header: HeaderConstants

    init() throws { header = try HeaderConstants() }

    /// `block-zero-out` is FS_ACT_BLOCK_ZERO_OUT.
    private static func constant(_ prefix: String, _ name: String) -> String {
        prefix + name.uppercased().replacing("-", with: "_")
    }

    private func check<Word: NumberedWord>(_ type: Word.Type, is enumeration: String, prefix: String, only: Set<String>)
    {
        let here = Dictionary(
            uniqueKeysWithValues: type.allCases.map { (Self.constant(prefix, $0.name), UInt64($0.number)) })
        let there = header.enumerations[enumeration, default: [:]].filter { !only.contains($0.key) }
        #expect(here == there, "\(enumeration)")
    }

    /// `spelt` has the names that C spells in another way, `here` those of bits that C does not have.
    private func check<Bits: RecordedBits>(
        _ type: Bits.Type, prefix: String, spelt: [String: String] = [:], here: Set<String> = []
    ) {
        let ours = type.words.filter { !here.contains($0.name) }.map {
            (prefix + (spelt[$0.name] ?? Self.constant("", $0.name)), UInt64($0.bit.rawValue))
        }
        #expect(Dictionary(uniqueKeysWithValues: ours) == header.bits.filter { $0.key.hasPrefix(prefix) }, "\(prefix)")
    }

    @Test("kinds of activities, answers of the detach table, sources of detaches and operations")
    func words() {
        check(ActivityKind.self, is: "fs_activity_kind", prefix: "FS_ACT_", only: ["FS_ACT_NONE", "FS_ACT_KINDS"])
        check(PageFacts.SlotAnswer.self, is: "fs_slot_answer", prefix: "FS_SLOT_", only: [])
        check(Detach.Source.self, is: "fs_detach_via", prefix: "FS_VIA_", only: [])
        check(FutexOperation.self, is: "fs_operation", prefix: "FS_OP_", only: ["FS_OP_NONE"])
    }

    @Test("flags of a lookup and facts of a page")
    func bits() {
        check(Lookup.Flags.self, prefix: "FS_LOOKUP_")
        check(
            PageFacts.Facts.self, prefix: "FS_PAGE_",
            spelt: [
                "swap-cache": "SWAPCACHE", "area-known": "VMA_KNOWN", "area-has-file": "VMA_FILE",
                "area-has-operations": "VMA_OPS", "area-is-driver": "VMA_DRIVER", "not-up-to-date": "NOT_UPTODATE",
                "no-area": "NO_VMA", "area-is-readable": "VMA_READ", "area-is-writable": "VMA_WRITE",
                "area-refuses-pins": "VMA_NO_PINS", "failure-described": "FAILURE",
            ], here: ["zero-page"])
        // Those of a name are used by their names in C.
        let prefixes = ["FS_LOOKUP_", "FS_PAGE_", "FS_NAME_"]
        #expect(header.bits.keys.allSatisfy { name in prefixes.contains { name.hasPrefix($0) } })
    }

    @Test("reasons of retries, in the order of their counters")
    func reasons() {
        let ours = RetryReason.allCases.enumerated().map { (Self.constant("FS_RETRY_", $1.rawValue), UInt64($0)) }
        var theirs = header.enumerations["fs_retry_reason", default: [:]]
        #expect(theirs.removeValue(forKey: "FS_RETRY_REASONS") == UInt64(ours.count))
        #expect(Dictionary(uniqueKeysWithValues: ours) == theirs)
    }

    @Test("hooks, each with the role of the same name")
    func hooks() {
        let ours = ProbeRole.all.filter { $0.site == .function }.map {
            (Self.constant("FS_HOOK_", $0.name), UInt64($0.number.rawValue))
        }
        var theirs = header.enumerations["fs_hook", default: [:]]
        #expect(theirs.removeValue(forKey: "FS_HOOKS") == UInt64(ours.count) + 1)
        #expect(Dictionary(uniqueKeysWithValues: ours) == theirs)
    }

    @Test("every enumeration of the header is compared here, or is known to have no twin")
    func complete() {
        #expect(
            Set(header.enumerations.keys) == [
                "fs_activity_kind", "fs_slot_answer", "fs_detach_via", "fs_retry_reason", "fs_hook",
                "fs_operation",
                // The decoder takes these from the header itself.
                "fs_record_kind",
            ])
    }
}
