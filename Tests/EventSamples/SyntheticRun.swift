// SPDX-License-Identifier: Apache-2.0

// A run that nobody lived through, as long as anybody wants: what a busy host would tell, made from a
// number, so that the same number gives the same event on every machine. For tests of what is written and
// read, and for measuring; never for saying what a kernel does.

public import Events

/// An endless sequence of events. Every tenth lookup met a detach; the others are ordinary.
public struct SyntheticRun: Sendable {
    private var number: UInt64 = 0
    private var random: UInt64 = 0x9e37_79b9_7f4a_7c15
    private let files: UInt64
    private let tasks: UInt64
    private let open: UInt64

    /// With so many files and tasks, and so many lookups that never end; of more than 64 files names are reported
    /// fifty times as often.
    public init(files: UInt64 = 64, tasks: UInt64 = 32, open: UInt64 = 0) {
        (self.files, self.tasks, self.open) = (max(1, files), max(1, tasks), open)
    }

    /// When the next event happens.
    public var time: UInt64 { 1_000_000_000 + number * 1000 }

    /// The next `count` events, in order of time, one microsecond apart.
    public mutating func next(_ count: Int) -> [Event] {
        (0..<count).map { _ in next() }
    }

    public mutating func next() -> Event {
        defer { number += 1 }
        // Xorshift, so that values differ.
        random ^= random << 13
        random ^= random >> 7
        random ^= random << 17
        let time = self.time
        // A process has up to 32 threads.
        let victim = UInt32(211 + random % max(1, tasks / 32))
        let file = FileID(device: 253 << 20, inode: 12 + random % files)
        switch number % 20 {
        case 0 where number % (files > 64 ? 20 : 1000) == 0:
            return .name(Name(subject: .file(file), text: "/var/lib/app/shared/\(file.inode)", detail: "ext4"))
        case 1 where open > 0:
            let tid = UInt32(truncatingIfNeeded: 1 << 20 + number / 20 % open)
            var lookup = Lookup.looping(passes: 1 << 10, durationNs: time, tid: tid)
            (lookup.time, lookup.start) = (time, 0)
            return .progress(lookup)
        case 5:
            return .activity(
                Activity(time: time, kind: .holePunch, task: .culprit, durationNs: 700 + random % 400, pages: 1))
        case 6, 16:
            return .detach(
                .sample {
                    ($0.time, $0.page, $0.file) = (time, PageID(rawValue: number), file)
                    $0.culprit.pid = UInt32(300 + random % 8)
                })
        case 7, 17:
            let page = PageFacts.sample {
                ($0.page, $0.detachTime, $0.file) = (PageID(rawValue: number - 1), time - 1000, file)
            }
            return .lookup(
                .sample(page: page) {
                    ($0.time, $0.start) = (time, time - 1500 - random % 9000)
                    $0.victim.pid = victim
                })
        default:
            return .lookup(
                .sample(page: nil) {
                    ($0.time, $0.start, $0.observations) = (time, time - 400 - random % 100, 0)
                    ($0.victim.pid, $0.victim.tid) = (victim, UInt32(212 + random % tasks))
                    $0.succeed(inPass: 1)
                })
        }
    }
}
