// SPDX-License-Identifier: Apache-2.0

// A run of some thousands of events, the same for the same seed: lookups that met a detach, one another's
// detach, the zero page or nothing, loops with and without an end, activities, losses; and in every place
// for text what a hostile task would put there.

import Correlation
import EventSamples
import Events

struct GeneratedRun {
    static let info = RunInfo(
        kernelRelease: "6.12.0-test", host: "a, \"host\"", id: RunID(high: 0x4000, low: 1 << 63),
        wallClockOffsetNs: 1_795_399_200_123_456_789)

    private(set) var events: [Event] = []
    private var random: SplitMix64
    private var now: UInt64 = 1_000_000_000
    /// When each task is free again, so that it does one thing after the other.
    private var free: [UInt32: UInt64] = [:]
    private var lastDetach: Detach?

    init(seed: UInt64, steps: Int = 4000) {
        random = SplitMix64(state: seed)
        for inode in UInt64(0)..<64 {
            let text = (inode < 4 ? "/plain/" : "/mnt/") + hostileText(upTo: 60)
            events.append(.name(Name(subject: .file(file(inode)), text: text, detail: inode % 2 == 0 ? "ext4" : "xfs")))
        }
        for id in UInt64(1)...4 { events.append(.name(Name(subject: .cgroup(id), text: hostileText(upTo: 30)))) }
        for number in UInt32(1)...5 {
            let functions = (0...number).map { "function_\(number)_\($0)" }
            if let path = CallPath(stack: functions) {
                events.append(.name(Name(subject: .callPath(CallPathID(rawValue: number)), text: path.text)))
            }
        }
        for _ in 0..<steps {
            now += below(20_000)
            switch below(20) {
            case 0..<11: lookup()
            case 11, 12: detach(at: now, page: PageID(rawValue: random.next() | 1))
            case 13..<17: activity()
            case 17: loss()
            default: loop()
            }
        }
    }

    // MARK: Events

    private mutating func lookup() {
        let task = victim(UInt32(below(40)))
        let start = max(now, free[task.tid] ?? 0)
        let time = start + 500 + below(50_000)
        free[task.tid] = time + 1
        var page: PageFacts?
        switch below(10) {
        case 0: page = .zero()
        case 1: page = nil
        case 2..<5:
            // Met by another one already, if it still lasts.
            guard let last = lastDetach, last.time >= start, last.time <= time else { fallthrough }
            events.append(.detach(last))
            page = met(last)
        default: page = met(detach(at: start + below(time - start), page: PageID(rawValue: random.next() | 1)))
        }
        events.append(
            .lookup(
                .sample(page: page) {
                    ($0.time, $0.start, $0.victim) = (time, start, task)
                    if page == nil { ($0.observations, $0.retries.mappingChanged) = (0, 1) }
                    if page == nil || below(3) == 0 { $0.succeed(inPass: 2 + below(40)) }
                    if below(20) == 0 { $0.flags.remove(.timed) }
                }))
    }

    /// A thread of its own goes round; some come to an end.
    private mutating func loop() {
        let tid = 100_000 + UInt32(below(30))
        let start = max(now, free[tid] ?? 0)
        let task = TaskIdentity(pid: 99_000, tid: tid, comm: hostileComm(), cgroup: 1)
        var passes: UInt64 = 64
        var time = start
        func lookup(_ result: Int32?) -> Lookup {
            .sample(page: .zero()) {
                ($0.time, $0.start, $0.victim, $0.passes, $0.result) = (time, start, task, passes, result)
                ($0.observations, $0.retries.noMapping) = (passes - 1, passes - 1)
                $0.flags = result == nil ? [.timed] : [.timed, .returned]
            }
        }
        for _ in 0...below(3) {
            time += 10_000 + below(100_000)
            passes *= 16
            events.append(.progress(lookup(nil)))
        }
        if below(4) > 0 {
            time += below(1000)
            events.append(.lookup(lookup(0)))
        }
        free[tid] = time + 1
    }

    @discardableResult
    private mutating func detach(at time: UInt64, page: PageID) -> Detach {
        let tid = UInt32(3000 + below(25))
        let detach = Detach.sample {
            ($0.time, $0.page, $0.file) = (time, page, file(below(80)))
            $0.culprit = TaskIdentity(pid: tid - tid % 5, tid: tid, comm: hostileComm(), cgroup: below(6))
            // Some have no path.
            $0.callPath = CallPathID(rawValue: UInt32(below(6)))
            ($0.index, $0.pages, $0.references) = (below(1 << 40), 1 << UInt32(below(10)), Int32(below(600)))
            switch below(6) {
            case 0: ($0.landmarks, $0.hole, $0.scope) = ([.invalidate2], nil, .directIOInvalidation)
            case 1: ($0.landmarks, $0.hole, $0.scope) = ([.dropCaches, .invalidate], nil, .dropCaches)
            case 2: ($0.landmarks, $0.hole, $0.scope, $0.stackIsNamed) = ([], nil, .truncate, false)
            case 3: ($0.landmarks, $0.hole, $0.scope, $0.stackIsNamed) = ([], nil, nil, false)
            case 4: ($0.via, $0.hole, $0.landmarks) = (.swapOut, nil, [.reclaim, .swapOut])
            default: break
            }
        }
        events.append(.detach(detach))
        lastDetach = detach
        return detach
    }

    private func met(_ detach: Detach) -> PageFacts {
        .sample { ($0.page, $0.detachTime, $0.file) = (detach.page, detach.time, detach.file) }
    }

    private mutating func activity() {
        let kind = ActivityKind.allCases[Int(below(UInt64(ActivityKind.allCases.count)))]
        let tid = UInt32(5000 + UInt32(kind.rawValue) * 100 + UInt32(below(6)))
        let task = TaskIdentity(pid: tid, tid: tid, comm: hostileComm(), cgroup: 2)
        let begin = max(now, free[tid] ?? 0)
        let durationNs = below(3_000_000)
        if below(2) == 0 {
            events.append(.activity(Activity(time: begin, kind: kind, task: task, durationNs: nil)))
            if below(10) == 0 { return }
        }
        free[tid] = begin + durationNs
        events.append(
            .activity(
                Activity(time: begin + durationNs, kind: kind, task: task, durationNs: durationNs, pages: below(4096))))
    }

    private mutating func loss() {
        let stages: [Loss.Stage] = [.ringActivity, .slotOverwritten, .lookupMissed]
        let stage = stages[Int(below(UInt64(stages.count)))]
        events.append(.lost(Loss(time: below(3) == 0 ? 0 : now, stage: stage, count: 1 + below(1000))))
    }

    // MARK: Values

    private func file(_ inode: UInt64) -> FileID { FileID(device: 253 << 20 | 1, inode: inode + 1000) }

    private mutating func victim(_ number: UInt32) -> TaskIdentity {
        TaskIdentity(pid: 200 + number / 4, tid: 2000 + number, comm: hostileComm(), cgroup: 1 + below(5))
    }

    private mutating func below(_ limit: UInt64) -> UInt64 { random.next() % limit }

    /// Bytes of every sort: text with what formats make something of, or sixteen that are no UTF-8 at all.
    private mutating func hostileComm() -> Comm {
        if below(8) == 0 { return Comm(low: random.next(), high: random.next()) }
        return Comm(hostileText(upTo: 15))
    }

    private mutating func hostileText(upTo limit: Int) -> String {
        let pieces = [
            "a", "app", "\"", ",", "\r\n", "\n", "\r", "\t", "=1+1", "+", "-2", "@x", "\u{202e}", "\u{1b}[2J", "'",
            "\\",
            "日本", "e\u{301}", "<b>", "%s", ";", " ", "\u{200b}", "\u{e0001}", "𝔘", "{}", "0", "\u{7f}", "\u{2028}",
        ]
        var text = ""
        for _ in 0..<(1 + below(8)) {
            let piece = pieces[Int(below(UInt64(pieces.count)))]
            if text.utf8.count + piece.utf8.count <= limit { text += piece }
        }
        return text
    }
}

/// Sebastiano Vigna's generator of that name.
struct SplitMix64: RandomNumberGenerator {
    var state: UInt64

    mutating func next() -> UInt64 {
        state &+= 0x9e37_79b9_7f4a_7c15
        var mixed = state
        mixed = (mixed ^ (mixed >> 30)) &* 0xbf58_476d_1ce4_e5b9
        mixed = (mixed ^ (mixed >> 27)) &* 0x94d0_49bb_1331_11eb
        return mixed ^ (mixed >> 31)
    }
}
