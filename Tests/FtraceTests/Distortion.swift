// SPDX-License-Identifier: Apache-2.0

// What may happen to a trace before somebody reads it: something stands before each line, lines are missing with or
// without a word, lines are cut in two or joined, and lines of others stand between. Made at random, the same for the
// same seed.

import Correlation
import Events

/// Distorts texts.
struct Distortion {
    var random: Generator
    /// What was done, for the message of a failure.
    private(set) var steps: [String] = []

    init(seed: UInt64) { random = Generator(state: seed) }

    private static let fronts = [
        "", "", "", "", "[   15.866674] ", "<4>[   15.866674] ", "Nov 25 19:51:59 db-1 kernel: ", "> ", "17:",
        "ttyS0 | ",
        "kern  :warn  : [   15.866674] ", "2025-11-25T19:51:59,123456+00:00 ", "console-2.log-12:", "[ C0] ",
    ]
    private static let strangers = [
        "usb 1-1: new high-speed USB device number 2 using xhci_hcd", "EXT4-fs (vda): mounted filesystem",
        "audit: type=1400 audit(1.2:3): apparmor=\"STATUS\"", "   ", "Call Trace:", " ? __die_body+0x1a/0x60",
    ]

    private mutating func number(_ range: ClosedRange<Int>) -> Int { Int.random(in: range, using: &random) }
    private mutating func isOne(of count: Int) -> Bool { number(1...count) == 1 }

    /// A text of these lines after one to five accidents.
    mutating func distorted(_ original: [[UInt8]]) -> [[UInt8]] {
        var lines = original
        let front = Array(Self.fronts[number(0...Self.fronts.count - 1)].utf8)
        if !front.isEmpty {
            lines = lines.map { $0.isEmpty ? $0 : front + $0 }
            steps.append("front \(String(decoding: front, as: UTF8.self))")
        }
        for _ in 0..<number(1...5) where lines.count > 2 {
            switch number(0...9) {
            case 0...3: drop(&lines, front)
            case 4: dropSome(&lines)
            case 5, 6: cut(&lines, front)
            case 7, 8: join(&lines)
            default: interrupt(&lines, front)
            }
        }
        return lines
    }

    /// A text of these lines with one or two gaps that nothing marks. Before that its stacks may have been cut to eight
    /// frames, or its lines at a column; its begin may be missing, and a line of an operation, of any task.
    mutating func gapped(_ original: [[UInt8]]) -> [[UInt8]] {
        var lines = original
        if isOne(of: 3) {
            var frames = 0
            lines = lines.filter { line in
                frames = line.starts(with: " => ".utf8) || line.starts(with: "\t=> ".utf8) ? frames + 1 : 0
                return frames <= 8
            }
            steps.append("eight frames")
        }
        if isOne(of: 8) {
            let column = number(120...260)
            lines = lines.map { Array($0.prefix(column)) }
            steps.append("column \(column)")
        }
        if isOne(of: 3), lines.count > 100 {
            let count = number(1...lines.count * 3 / 4)
            lines.removeFirst(count)
            steps.append("without the first \(count)")
        }
        for _ in 0..<number(0...2) {
            let operations = lines.indices.filter { place in
                let line = String(decoding: lines[place], as: UTF8.self)
                return line.contains("fs_in_") || line.contains("fs_out_")
            }
            guard !operations.isEmpty else { break }
            let place = operations[number(0...operations.count - 1)]
            lines.remove(at: place)
            steps.append("drop operation \(place)")
        }
        for _ in 0..<number(1...2) where lines.count > 2 {
            let begin = number(0...lines.count - 1)
            let count = min(number(1...(isOne(of: 2) ? 4 : 40)), lines.count - begin)
            lines.removeSubrange(begin..<begin + count)
            steps.append("gap \(begin)+\(count)")
        }
        return lines
    }

    private mutating func drop(_ lines: inout [[UInt8]], _ front: [UInt8]) {
        let begin = number(0...lines.count - 1)
        let count = min(isOne(of: 3) ? number(1...60) : number(1...6), lines.count - begin)
        lines.removeSubrange(begin..<begin + count)
        var mark = "nothing"
        switch number(0...5) {
        case 0: mark = "** \(count) printk messages dropped **"
        case 1: mark = "CPU:0 [LOST \(count) EVENTS]"
        case 2 where begin < lines.count:
            mark = "glued"
            lines[begin] = Array("** \(count) printk messages dropped ** ".utf8) + lines[begin]
        default: break
        }
        if mark.first == "*" || mark.first == "C" {
            lines.insert((isOne(of: 2) ? front : []) + Array(mark.utf8), at: begin)
        }
        steps.append("drop \(begin)+\(count) \(mark)")
    }

    private mutating func dropSome(_ lines: inout [[UInt8]]) {
        let oneOf = [3, 10, 50][number(0...2)]
        lines = lines.filter { _ in !isOne(of: oneOf) }
        steps.append("drop each one of \(oneOf)")
    }

    private mutating func cut(_ lines: inout [[UInt8]], _ front: [UInt8]) {
        let place = number(0...lines.count - 1)
        guard lines[place].count > 2 else { return }
        let length = number(1...lines[place].count - 1)
        let rest = Array(lines[place][length...])
        lines[place].removeSubrange(length...)
        let kind = number(0...2)
        if kind > 0 { lines.insert((kind > 1 ? front : []) + rest, at: place + 1) }
        steps.append("cut \(place) at \(length), \(kind)")
    }

    private mutating func join(_ lines: inout [[UInt8]]) {
        let place = number(0...lines.count - 2)
        lines[place] += lines.remove(at: place + 1)
        steps.append("join \(place)")
    }

    private mutating func interrupt(_ lines: inout [[UInt8]], _ front: [UInt8]) {
        let place = number(0...lines.count)
        lines.insert(front + Array(Self.strangers[number(0...Self.strangers.count - 1)].utf8), at: place)
        steps.append("insert at \(place)")
    }
}

/// What the whole text says of each victim, to which what a distorted one says is held. Lines that are missing without a
/// word can make one lookup of two, so that nothing but its victim says which lookup a finding is of.
struct Expectation {
    private struct Case {
        var causes: Set<String> = ["unknown"]
        var culprits: Set<TaskIdentity?> = [nil]
        var files: Set<FileID?> = [nil]
        var kinds: Set<String> = ["unknown"]
        var retries: [RetryReason: UInt64] = [:]
        var observations: UInt64 = 0
        var passes: UInt64 = 0
        var names: Set<Comm> = [.nameless]
        var addresses: Set<UInt64> = []
        var results: Set<Int32?> = [nil]
        var spurious: Set<Bool?> = [nil]
    }
    private var cases: [UInt32: Case] = [:]

    /// From all lookups of the whole, those that met nothing as well.
    init(_ findings: [Finding]) {
        for finding in findings {
            let lookup = finding.lookup
            var known = cases[lookup.victim.tid] ?? Case()
            known.causes.insert(finding.cause.rawValue)
            known.culprits.insert(finding.detach?.culprit)
            // A name may be unknown where its line was cut.
            known.culprits.insert(finding.detach.map { TaskIdentity(nameless: $0.culprit) })
            known.files.insert(finding.detach?.file)
            known.kinds.insert(finding.kind.rawValue)
            for reason in RetryReason.allCases {
                known.retries[reason] = max(known.retries[reason] ?? 0, lookup.retries[reason])
            }
            known.observations = max(known.observations, lookup.observations)
            known.passes = max(known.passes, lookup.passes)
            known.names.insert(lookup.victim.comm)
            known.addresses.insert(lookup.address)
            known.results.insert(lookup.result)
            known.spurious.insert(finding.spurious)
            cases[lookup.victim.tid] = known
        }
    }

    /// What is wrong with a finding of the distorted text; nil when nothing is.
    func fault(of finding: Finding) -> String? {
        let lookup = finding.lookup
        guard let known = cases[lookup.victim.tid] else {
            return "no lookup of \(lookup.victim.tid) in the whole: \(finding.cause)"
        }
        if !known.causes.contains(finding.cause.rawValue) { return "\(finding.cause), not \(known.causes)" }
        if !known.culprits.contains(finding.detach?.culprit) {
            return "by \(finding.detach?.culprit.tid ?? 0), not \(known.culprits)"
        }
        if !known.files.contains(finding.detach?.file) { return "of another file" }
        if !known.kinds.contains(finding.kind.rawValue) { return "\(finding.kind), not \(known.kinds)" }
        for reason in RetryReason.allCases where lookup.retries[reason] > known.retries[reason] ?? 0 {
            return "\(lookup.retries[reason]) retries: \(reason)"
        }
        if lookup.observations > known.observations { return "\(lookup.observations) observations" }
        if lookup.passes > known.passes { return "\(lookup.passes) passes" }
        if let duration = lookup.durationNs, duration > 1 << 62 { return "takes \(duration) ns" }
        if !known.names.contains(lookup.victim.comm) { return "named \(lookup.victim.comm.text)" }
        if !known.addresses.contains(lookup.address) { return "address \(lookup.address)" }
        if !known.results.contains(lookup.result) { return "result \(lookup.result ?? 0)" }
        if !known.spurious.contains(finding.spurious) {
            return "spurious: \(finding.spurious.map(String.init) ?? "nil")"
        }
        return nil
    }
}

/// What each victim met in the whole text, at the time at which it met it: samples have no retries.
struct Meetings {
    private struct Key: Hashable {
        var (tid, page, time): (UInt32, UInt64, UInt64)
    }
    private var causes: [Key: String] = [:]

    init(_ reading: Reading) {
        for finding in reading.findings where finding.lookup.observations > 0 {
            causes[Self.key(finding)] = Self.meaning(finding)
        }
    }

    private static func key(_ finding: Finding) -> Key {
        // A lookup whose return is missing has the time of what came next, but its page and detach are its own.
        Key(
            tid: finding.lookup.victim.tid, page: finding.lookup.page?.page.rawValue ?? 0,
            time: finding.detach?.time ?? 0)
    }

    private static func meaning(_ finding: Finding) -> String {
        "\(finding.cause), \(finding.detach?.culprit.tid ?? 0), \(finding.detach?.file.inode ?? 0)"
    }

    /// Whether a finding is one of these, or says that its cause is unknown.
    func has(_ finding: Finding) -> Bool {
        finding.cause == .unknown || finding.lookup.observations == 0
            || causes[Self.key(finding)] == Self.meaning(finding)
    }
}

extension Comm {
    fileprivate static let nameless = Comm("<...>")
}

extension TaskIdentity {
    fileprivate init(nameless task: TaskIdentity) {
        self = task
        comm = .nameless
    }
}
