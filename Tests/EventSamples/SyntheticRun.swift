// A run that nobody lived through, as long as anybody wants: what a busy host would tell, made from a
// number, so that the same number gives the same event on every machine. For tests of what is written and
// read, and for measuring; never for saying what a kernel does.

public import Events

/// An endless sequence of events. Every tenth lookup met a detach; the others are ordinary.
public struct SyntheticRun: Sendable {
    private var number: UInt64 = 0
    private var random: UInt64 = 0x9e37_79b9_7f4a_7c15

    public init() {}

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
        let file = FileID(device: 253 << 20, inode: 12 + random % 64)
        switch number % 20 {
        case 0 where number % 1000 == 0:
            return .name(Name(subject: .file(file), text: "/var/lib/app/shared/\(file.inode)", detail: "ext4"))
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
            return .lookup(.sample(page: page) { ($0.time, $0.start) = (time, time - 1500 - random % 9000) })
        default:
            return .lookup(
                .sample(page: nil) {
                    ($0.time, $0.start, $0.observations) = (time, time - 400 - random % 100, 0)
                    $0.victim.tid = UInt32(212 + random % 32)
                    $0.succeed(inPass: 1)
                })
        }
    }
}
