// SPDX-License-Identifier: Apache-2.0

// From the bytes of bpf/shared/records.h to events, handed over where they lie. Lengths are checked against
// the tag before anything is read; an unknown kind is counted and passed over. Kernel addresses end here:
// pages become opaque ids and stacks become landmarks. Names go ahead of the events that need them.

import CRecords
import Events

/// Decodes batches of ring-buffer records.
struct RecordDecoder {
    private let names: StackNames
    private let kernelAddresses: Bool
    private var resolver: NameResolver?
    /// Records passed over since the beginning.
    private(set) var malformed: UInt64 = 0

    /// - Parameter resolver: Looks names up; without one there are none.
    init(names: StackNames, kernelAddresses: Bool, resolver: NameResolver? = nil) {
        self.names = names
        self.kernelAddresses = kernelAddresses
        self.resolver = resolver
    }

    /// Hands over the events of a batch, in order. A batch is a sequence of whole records.
    mutating func decode(_ bytes: UnsafeRawBufferPointer, into sink: inout some EventSink) {
        // A detach waits for the event after it: the lookup that met it may need names, which are of the same
        // file and go ahead of both. None or one: an array is asked for less than an optional of that size.
        var waiting: [Detach] = []
        var offset = 0
        while offset + MemoryLayout<fs_header>.size <= bytes.count {
            // Inside the batch, by the comparison above; records need not be aligned.
            let header = unsafe bytes.loadUnaligned(fromByteOffset: offset, as: fs_header.self)
            let size = Int(header.size)
            guard size >= MemoryLayout<fs_header>.size, offset + size <= bytes.count else {
                malformed += 1
                break
            }
            // As many bytes as the record has, by its tag and the comparison above.
            switch (UInt32(header.kind), size) {
            case (FS_LOOKUP.rawValue, MemoryLayout<fs_lookup>.size),
                (FS_PROGRESS.rawValue, MemoryLayout<fs_lookup>.size):
                let lookup = unsafe lookup(bytes.loadUnaligned(fromByteOffset: offset, as: fs_lookup.self))
                if !waiting.isEmpty || resolver?.mayHaveNames(for: lookup) == true {
                    tellNames(of: lookup, after: &waiting, to: &sink)
                }
                sink.take(lookup, isProgress: UInt32(header.kind) == FS_PROGRESS.rawValue)
            case (FS_DETACH.rawValue, MemoryLayout<fs_detach>.size):
                Self.tell(&waiting, to: &sink)
                let record = unsafe bytes.loadUnaligned(fromByteOffset: offset, as: fs_detach.self)
                if let detach = detach(record) {
                    resolver?.names(for: detach).forEach { sink.take($0) }
                    waiting.append(detach)
                } else {
                    malformed += 1
                }
            case (FS_ACTIVITY.rawValue, MemoryLayout<fs_activity>.size):
                Self.tell(&waiting, to: &sink)
                let record = unsafe bytes.loadUnaligned(fromByteOffset: offset, as: fs_activity.self)
                if let activity = activity(record) { sink.take(activity) } else { malformed += 1 }
            default: malformed += 1
            }
            offset += size
        }
        Self.tell(&waiting, to: &sink)
    }

    /// Tells the names that a lookup needs and the detach that came before it: names first, where it met that.
    private mutating func tellNames(
        of lookup: Lookup, after waiting: inout [Detach], to sink: inout some EventSink
    ) {
        let isMet = waiting.contains { lookup.page?.page == $0.page && lookup.page?.detachTime == $0.time }
        if !isMet { Self.tell(&waiting, to: &sink) }
        resolver?.names(for: lookup).forEach { sink.take($0) }
        Self.tell(&waiting, to: &sink)
    }

    private static func tell(_ waiting: inout [Detach], to sink: inout some EventSink) {
        for detach in waiting { sink.take(detach) }
        waiting.removeAll(keepingCapacity: true)
    }

    // MARK: One record each

    private func lookup(_ record: fs_lookup) -> Lookup {
        let flags = Lookup.Flags(rawValue: record.flags)
        return Lookup(
            time: record.h.time, start: record.start,
            victim: task(record.pid, record.tid, record.comm, record.cgroup), uid: record.uid,
            address: record.uaddr, passes: record.passes, observations: record.observations,
            retries: RetryCounts(
                swizzled: record.retries.0, mappingChanged: record.retries.1, noHost: record.retries.2,
                noMapping: record.retries.3),
            result: flags.contains(.returned) ? record.result : nil, flags: flags,
            lockWaits: record.lock_waits, page: page(record.page))
    }

    private func page(_ record: fs_page) -> PageFacts? {
        guard record.page != 0 else { return nil }
        return PageFacts(
            page: id(record.page), file: FileID(device: record.dev, inode: record.inode),
            index: record.index, fileSize: record.file_size, magic: record.fs_magic,
            facts: PageFacts.Facts(rawValue: record.facts), mode: 0,
            slot: PageFacts.SlotAnswer(rawValue: record.slot) ?? .notAsked, detachTime: record.detach_time)
    }

    private func detach(_ record: fs_detach) -> Detach? {
        guard let via = Detach.Source(rawValue: record.via) else { return nil }
        var landmarks = Landmarks()
        let depth = min(Int(record.stack_depth), Int(FS_STACK_DEPTH))
        // The tuple is FS_STACK_DEPTH addresses in a row; each is a return address, which belongs to
        // the call before it.
        unsafe withUnsafeBytes(of: record.stack) { stack in
            for frame in 0..<depth {
                let address = unsafe stack.loadUnaligned(fromByteOffset: frame * 8, as: UInt64.self)
                landmarks.formUnion(names.landmark(at: address &- 1))
            }
        }
        let hole =
            record.range_known != 0 && record.range_start <= record.range_end
            ? record.range_start..<record.range_end : nil
        return Detach(
            time: record.h.time, page: id(record.page),
            culprit: task(record.pid, record.tid, record.comm, record.cgroup),
            file: FileID(device: record.dev, inode: record.inode), magic: record.fs_magic,
            index: record.index, fileSize: record.file_size, pages: record.pages,
            references: record.refcount, via: via, scope: ActivityKind(rawValue: record.scope), hole: hole,
            landmarks: landmarks, stackIsNamed: depth > 0 && names.hasAddresses)
    }

    private func activity(_ record: fs_activity) -> Activity? {
        guard let kind = ActivityKind(rawValue: record.kind) else { return nil }
        return Activity(
            time: record.h.time, kind: kind,
            task: task(record.pid, record.tid, record.comm, record.cgroup),
            durationNs: record.end != 0 ? record.duration : nil, pages: record.pages)
    }

    private typealias CommBytes = (
        CChar, CChar, CChar, CChar, CChar, CChar, CChar, CChar, CChar, CChar, CChar, CChar, CChar, CChar,
        CChar, CChar
    )

    private func task(_ pid: UInt32, _ tid: UInt32, _ comm: CommBytes, _ cgroup: UInt64) -> TaskIdentity {
        // Sixteen bytes, read as two words.
        let (low, high) = unsafe withUnsafeBytes(of: comm) {
            unsafe ($0.loadUnaligned(as: UInt64.self), $0.loadUnaligned(fromByteOffset: 8, as: UInt64.self))
        }
        return TaskIdentity(pid: pid, tid: tid, comm: Comm(low: low, high: high), cgroup: cgroup)
    }

    /// Opaque and stable within this process: SipHash with the key that Swift draws at start.
    private func id(_ page: UInt64) -> PageID {
        if kernelAddresses { return PageID(rawValue: page) }
        var hasher = Hasher()
        hasher.combine(page)
        return PageID(rawValue: UInt64(bitPattern: Int64(hasher.finalize())))
    }
}
