// SPDX-License-Identifier: Apache-2.0

// The tracks of a Perfetto trace: their names and their order. They make sure that intervals on one track do not
// overlap. Their number is bounded; events without a track of their own share one.

import Events

/// The subject of a track. It is an identity, not text: the track's number is computed from it and is the same in every
/// export.
struct PerfettoTrack: Hashable {
    /// In the order in which they are shown: rates first, then victims, then culprits.
    enum Group: String, CaseIterable {
        /// Above all others.
        case run = "futexscope"
        case observationRate = "observations per second"
        case failureRate = "failures per second"
        case victims
        case culprits
        case activities
        case losses
        case others
    }

    var group: Group
    /// Only below `activities`.
    var kind: ActivityKind?
    /// Process and thread in one number; nil for a track of no task.
    var task: UInt64?

    init(_ group: Group, kind: ActivityKind? = nil, task: TaskIdentity? = nil) {
        (self.group, self.kind) = (group, kind)
        self.task = task.map { UInt64($0.pid) << 32 | UInt64($0.tid) }
    }

    /// FNV-1a of the identity.
    var uuid: UInt64 {
        var hash: UInt64 = 0xcbf2_9ce4_8422_2325
        func mix(_ byte: UInt8) { hash = (hash ^ UInt64(byte)) &* 0x100_0000_01b3 }
        for byte in group.rawValue.utf8 { mix(byte) }
        mix(kind?.rawValue ?? 0)
        guard let task else { return hash }
        for shift in stride(from: UInt64(0), to: 64, by: 8) { mix(UInt8(truncatingIfNeeded: task >> shift)) }
        return hash
    }

    /// The track above it; nil at the top.
    var parent: PerfettoTrack? {
        if task != nil { return PerfettoTrack(group, kind: kind) }
        if kind != nil { return PerfettoTrack(group) }
        return group == .run ? nil : PerfettoTrack(.run)
    }

    /// Of a track of no task, among those with the same parent.
    fileprivate var rank: Int { kind.map { Int($0.rawValue) } ?? Group.allCases.firstIndex(of: group) ?? 0 }

    /// What a counter counts; nil for other tracks.
    fileprivate var unit: String? { group == .observationRate || group == .failureRate ? "lookups/s" : nil }
}

extension PerfettoTrack: Comparable {
    /// A fixed order, so that equal runs give equal traces.
    static func < (left: PerfettoTrack, right: PerfettoTrack) -> Bool {
        func key(_ track: PerfettoTrack) -> (String, UInt8, UInt64) {
            (track.group.rawValue, track.kind?.rawValue ?? 0, track.task ?? 0)
        }
        return key(left) < key(right)
    }
}

/// The tracks that were written, and where each ends.
struct PerfettoTracks {
    /// Tracks of tasks; some hundred kilobytes.
    static let limit = 4096

    private var ends: [PerfettoTrack: UInt64] = [:]
    private var headings: Set<UInt64> = []
    /// Tasks that were declared in the trace.
    private var threads: Set<UInt64> = []
    /// Events that were put on the shared track.
    private(set) var eventsBeyondLimit: UInt64 = 0

    /// The number of the task's track, which is written first if it is new. Nil when there are too many tracks; then
    /// the event is counted.
    mutating func find(_ track: PerfettoTrack, task: TaskIdentity, into bytes: inout [UInt8]) -> UInt64? {
        if ends[track] != nil { return track.uuid }
        guard ends.count < Self.limit else {
            eventsBeyondLimit += 1
            return nil
        }
        ends[track] = 0
        introduce(task, into: &bytes)
        let parent = track.parent.map { heading($0, into: &bytes) }
        let name = "\(TerminalText.escaped(task.comm.text)) \(task.pid)/\(task.tid)"
        Protobuf.append(to: &bytes) { $0.track(track.uuid, name: name, parent: parent, rank: ends.count) }
        return track.uuid
    }

    /// The number of a track of no task, which is written first if it is new.
    mutating func heading(_ track: PerfettoTrack, into bytes: inout [UInt8]) -> UInt64 {
        let uuid = track.uuid
        guard headings.insert(uuid).inserted else { return uuid }
        let parent = track.parent.map { heading($0, into: &bytes) }
        let name = track.kind?.name ?? track.group.rawValue
        Protobuf.append(to: &bytes) {
            $0.track(uuid, name: name, parent: parent, rank: track.rank, unit: track.unit)
        }
        return uuid
    }

    /// Declares thread and process of a task once, like a trace of the whole system. Does nothing where the process is
    /// not known.
    private mutating func introduce(_ task: TaskIdentity, into bytes: inout [UInt8]) {
        let thread = PerfettoTrack(.run, task: task)
        guard task.pid != 0, task.tid != 0, threads.insert(thread.uuid).inserted else { return }
        let name = TerminalText.escaped(task.comm.text)
        Protobuf.append(to: &bytes) {
            $0.thread(thread.uuid, pid: task.pid, tid: task.tid, name: name)
            // A process has the name of its first thread.
            guard task.pid == task.tid else { return }
            $0.process(~thread.uuid, pid: task.pid, name: name)
        }
    }

    /// Adds an interval to a track. The actions of one task follow each other. Where times contradict this, the
    /// interval is dropped, because overlapping slices would be misread.
    mutating func take(_ track: PerfettoTrack, from begin: UInt64, to end: UInt64) -> (begin: UInt64, end: UInt64) {
        let free = max(begin, ends[track] ?? 0)
        let taken = (begin: free, end: max(end, free))
        ends[track] = taken.end
        return taken
    }
}
