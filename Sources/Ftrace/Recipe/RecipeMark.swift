// SPDX-License-Identifier: Apache-2.0

// The mark that the recipe puts into a trace: "futexscope wall_ns=… release=… host=… missing=…". Nothing else relates
// the times of a trace to a clock, or says which events the kernel refused.

internal import Events

/// What the marks so far have said, apart from what is known of the run.
struct RecipeMark {
    static let advice = "record with the script that `futexscope doctor --ftrace-recipe` prints"
    private static let limit = 4096

    /// Events without which no observation can be seen.
    private static let needed = ["fs_lookup", "fs_pin", "fs_pin_return", "fs_unlock"]

    /// Events that the recipe could not define.
    private var missing: String?
    /// There was a mark, so that all other events of the recipe were recorded.
    private(set) var isRead = false
    /// What the first mark has said; of several recordings, what all marks agree on.
    private var first: (release: String?, host: String?, wallClockOffsetNs: Int64) = (nil, nil, 0)
    /// There are marks of several recordings: of other hosts, kernels or boots.
    private var areSeveral = false
    /// Differences between the times of day of two marks that are still those of one boot.
    private static let sameBootNs: Int64 = 1_000_000_000

    /// Looks for a mark in what an event at `time` says.
    mutating func read(_ text: TraceText, _ range: Range<Int>, at time: UInt64, into run: inout RunInfo) {
        guard !range.isEmpty, range.count < Self.limit else { return }
        let words = text[range].split(separator: 0x20)
        guard let start = words.firstIndex(where: { $0.elementsEqual("futexscope".utf8) }) else { return }
        defer {
            compare(with: &run)
            isRead = true
        }
        for word in words[start...].dropFirst() {
            guard let equal = word.firstIndex(of: UInt8(ascii: "=")) else { continue }
            let value = String(decoding: word[word.index(after: equal)...], as: UTF8.self)
            let key = word[..<equal]
            if key.elementsEqual("wall_ns".utf8) {
                if let wall = Int64(value), let time = Int64(exactly: time) {
                    run.wallClockOffsetNs = wall.subtractingReportingOverflow(time).partialValue
                }
            } else if key.elementsEqual("release".utf8) {
                run.kernelRelease = String(value.prefix(64))
            } else if key.elementsEqual("host".utf8) {
                run.host = RunInfo.host(named: value)
            } else if key.elementsEqual("missing".utf8) {
                // Names of events alone: whatever stands behind them was put there by something else.
                let names = value.prefix(1024).prefix {
                    $0 == "_" || $0 == "," || $0.isASCII && ($0.isLetter || $0.isNumber)
                }
                if !names.isEmpty { missing = String(names) }
            }
        }
    }

    /// Of several recordings, nothing that differs between them is known.
    private mutating func compare(with run: inout RunInfo) {
        guard isRead else {
            first = (run.kernelRelease, run.host, run.wallClockOffsetNs)
            return
        }
        let difference = run.wallClockOffsetNs.subtractingReportingOverflow(first.wallClockOffsetNs)
        let isOfOtherBoot = difference.overflow || difference.partialValue.magnitude > Self.sameBootNs.magnitude
        if run.kernelRelease != first.release || run.host != first.host || isOfOtherBoot { areSeveral = true }
        guard areSeveral else { return }
        if run.kernelRelease != first.release { run.kernelRelease = nil }
        if run.host != first.host { run.host = nil }
        if isOfOtherBoot { run.wallClockOffsetNs = 0 }
        first = (run.kernelRelease, run.host, run.wallClockOffsetNs)
    }

    func omissions(of name: String) -> [Omission] {
        var all = missingEvents(of: name)
        if areSeveral {
            all.append(
                Omission(
                    place: name,
                    what:
                        "it has recordings of several hosts, kernels or boots, so what differs between them is not known; report each recording by itself"
                ))
        }
        return all
    }

    private func missingEvents(of name: String) -> [Omission] {
        guard let missing else { return [] }
        let hides = missing.split(separator: ",").contains { Self.needed.contains(String($0)) }
        return [
            Omission(
                place: name, what: "the kernel did not take these events of the recipe: \(missing)",
                hidesObservations: hides)
        ]
    }
}

extension RunInfo {
    /// A host's name as uname(2) has it; nil where the host has none.
    static func host(named name: String) -> String? {
        let name = String(name.prefix(64))
        return name.isEmpty || name == "(none)" ? nil : name
    }
}
