// SPDX-License-Identifier: Apache-2.0

// The last part of a run, in memory: events in order, dropped when they are older than the span, or when there is no
// room. Events dropped for lack of room are counted. Names are kept longer than the events that they precede, so that
// what is kept can be read by itself.

public import Events

/// Events of the last `spanNs` nanoseconds, in no more than `maxBytes`.
public struct Hindsight: Sendable {
    /// The smallest useful `maxBytes`.
    public static let smallest: UInt64 = 1 << 20

    /// Events that are dropped together.
    static let chunkEvents = 512
    /// A chunk covers at most this fraction of the span, so that what is kept is not much longer than the span.
    private static let chunksInSpan: UInt64 = 16
    /// Names kept of dropped chunks: those of the most recent files and control groups.
    private static let namesKept = 4096
    private static let eventBytes = UInt64(MemoryLayout<Event>.stride)

    private struct Chunk {
        var events: [Event] = []
        var begin: UInt64
        var end: UInt64
        var bytes: UInt64 = 0
    }

    private let spanNs: UInt64
    private let maxBytes: UInt64
    private var chunks: [Chunk] = []
    private var bytes: UInt64 = 0
    private var latest: UInt64 = 0
    /// As they were when the oldest chunk started.
    private var namesBefore = Names(limit: namesKept)
    /// Events dropped for lack of room, by the second in which the last of them happened.
    private var gone: [(second: UInt64, count: UInt64)] = []

    public init(spanNs: UInt64, maxBytes: UInt64) { (self.spanNs, self.maxBytes) = (spanNs, maxBytes) }

    public mutating func append(_ event: Event) {
        let time = event.time ?? 0
        latest = max(latest, time)
        if needsChunk {
            chunks.append(Chunk(begin: latest, end: latest))
            letGo()
        }
        let last = chunks.count - 1
        chunks[last].events.append(event)
        chunks[last].end = latest
        var size = Self.eventBytes
        if case .name(let name) = event { size += UInt64(name.text.utf8.count + name.detail.utf8.count) }
        chunks[last].bytes += size
        bytes += size
        if bytes > maxBytes { letGo() }
    }

    private var needsChunk: Bool {
        guard let last = chunks.last else { return true }
        return last.events.count >= Self.chunkEvents || latest - last.begin > spanNs / Self.chunksInSpan
    }

    private mutating func letGo() {
        let wanted = latest - min(latest, spanNs)
        while chunks.count > 1, chunks[0].end < wanted || bytes > maxBytes {
            let chunk = chunks.removeFirst()
            bytes -= chunk.bytes
            for case .name(let name) in chunk.events { namesBefore.learn(name) }
            if chunk.end >= wanted { count(chunk) }
        }
        gone.removeAll { $0.second < wanted / 1_000_000_000 }
    }

    private mutating func count(_ chunk: Chunk) {
        let (second, count) = (chunk.end / 1_000_000_000, UInt64(chunk.events.count { !$0.isName }))
        if gone.last?.second == second {
            gone[gone.count - 1].count += count
        } else {
            gone.append((second, count))
        }
    }

    // MARK: What is kept

    /// Events dropped for lack of room although they are within the span.
    public var eventsGone: UInt64 { gone.reduce(0) { $0 + $1.count } }

    /// What is kept, readable by itself: first the loss, then the older names that are still needed, then the events.
    public func forEachBatch(_ body: ([Event]) throws -> Void) rethrows {
        var needed: Set<Name.Subject> = []
        for chunk in chunks { for event in chunk.events { event.addSubjects(to: &needed) } }
        var first: [Event] = []
        if eventsGone > 0 {
            first.append(.lost(Loss(time: chunks.first?.begin ?? latest, stage: .recording, count: eventsGone)))
        }
        try body(first + namesBefore.all.filter { needed.contains($0.subject) }.map { .name($0) })
        for chunk in chunks { try body(chunk.events) }
    }
}

extension Event {
    fileprivate var isName: Bool { if case .name = self { true } else { false } }

    /// The files and control groups that the event refers to.
    fileprivate func addSubjects(to subjects: inout Set<Name.Subject>) {
        switch self {
        case .lookup(let lookup), .progress(let lookup):
            subjects.insert(.cgroup(lookup.victim.cgroup))
            if let page = lookup.page { subjects.insert(.file(page.file)) }
        case .detach(let detach):
            subjects.insert(.cgroup(detach.culprit.cgroup))
            subjects.insert(.file(detach.file))
            subjects.insert(.callPath(detach.callPath))
        case .activity(let activity): subjects.insert(.cgroup(activity.task.cgroup))
        case .name, .lost, .totals: break
        }
    }
}
