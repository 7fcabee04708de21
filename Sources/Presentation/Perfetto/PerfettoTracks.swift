// SPDX-License-Identifier: Apache-2.0

// The tracks of a Perfetto trace: which there are, how they are called, and that what lies on one of them
// does not overlap. Their number is bounded; what has no track of its own shares one.

import Events

/// What a track shows. Identity, not text: its number follows from it, the same in every export.
struct PerfettoTrack: Hashable {
    enum Group: String {
        case victims
        case culprits
        case activities
        case losses
        case others
    }

    var group: Group
    /// Only below `activities`.
    var kind: ActivityKind?
    /// Process and thread in one number; nil for a track that is nobody's.
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
        return kind == nil ? nil : PerfettoTrack(group)
    }
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
    /// Events that had to go to the shared track.
    private(set) var eventsBeyondLimit: UInt64 = 0

    /// The number of the task's track, which is written first if it is new; nil when there are too many, and then it
    /// is counted.
    mutating func find(_ track: PerfettoTrack, task: TaskIdentity, into bytes: inout [UInt8]) -> UInt64? {
        if ends[track] != nil { return track.uuid }
        guard ends.count < Self.limit else {
            eventsBeyondLimit += 1
            return nil
        }
        ends[track] = 0
        let parent = track.parent.map { heading($0, into: &bytes) }
        let name = "\(TerminalText.escaped(task.comm.text)) \(task.pid)/\(task.tid)"
        Protobuf.append(to: &bytes) { $0.track(track.uuid, name: name, parent: parent) }
        return track.uuid
    }

    /// The number of a track of no task, which is written first if it is new.
    mutating func heading(_ track: PerfettoTrack, into bytes: inout [UInt8]) -> UInt64 {
        let uuid = track.uuid
        guard headings.insert(uuid).inserted else { return uuid }
        let parent = track.parent.map { heading($0, into: &bytes) }
        let name = track.kind?.name ?? track.group.rawValue
        Protobuf.append(to: &bytes) { $0.track(uuid, name: name, parent: parent) }
        return uuid
    }

    /// Takes an interval of a track. What one task does, it does one after the other; where times say
    /// otherwise the interval is dropped, since slices that overlap would be read as others.
    mutating func take(_ track: PerfettoTrack, from begin: UInt64, to end: UInt64) -> (begin: UInt64, end: UInt64) {
        let free = max(begin, ends[track] ?? 0)
        let taken = (begin: free, end: max(end, free))
        ends[track] = taken.end
        return taken
    }
}
