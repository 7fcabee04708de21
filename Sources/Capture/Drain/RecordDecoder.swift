// SPDX-License-Identifier: Apache-2.0

// From records (bpf/shared/records.h) to events. The length of a record must be that of its kind before anything is
// read; any other record is counted and skipped. No kernel address passes this point: pages become opaque ids, stacks
// become landmarks and call paths. Names are emitted before the events that need them.

import CRecords
import Events
import Live

/// Decodes batches of ring-buffer records.
struct RecordDecoder {
    private let names: StackNames
    private let kernelAddresses: Bool
    private var resolver: NameResolver?
    /// Number of records that were skipped since the start.
    private(set) var malformed: UInt64 = 0

    /// - Parameter resolver: Gives names of files, devices and control groups. Without it none are emitted.
    init(names: StackNames, kernelAddresses: Bool, resolver: NameResolver? = nil) {
        self.names = names
        self.kernelAddresses = kernelAddresses
        self.resolver = resolver
    }

    /// Passes on the events of a batch, in order. A batch is a sequence of whole records.
    mutating func decode(_ bytes: UnsafeRawBufferPointer, into sink: inout some EventSink) {
        var offset = 0
        while offset + MemoryLayout<fs_header>.size <= bytes.count {
            // Inside the batch, by the comparison above. Records need not be aligned.
            let header = unsafe bytes.loadUnaligned(fromByteOffset: offset, as: fs_header.self)
            let size = Int(header.size)
            guard size >= MemoryLayout<fs_header>.size, offset + size <= bytes.count else {
                malformed += 1
                break
            }
            // Each read is of `size` bytes, which are inside the batch by the comparison above.
            switch (UInt32(header.kind), size) {
            case (FS_LOOKUP.rawValue, MemoryLayout<fs_lookup>.size),
                (FS_PROGRESS.rawValue, MemoryLayout<fs_lookup>.size):
                let record = unsafe bytes.loadUnaligned(fromByteOffset: offset, as: fs_lookup.self)
                let lookup = lookup(record)
                if let name = resolver?.name(for: lookup) { sink.take(name) }
                if record.page.name_is_stale != 0, let file = lookup.page?.file,
                    let name = resolver?.withoutName(file)
                {
                    sink.take(name)
                }
                sink.take(lookup, isProgress: UInt32(header.kind) == FS_PROGRESS.rawValue)
            case (FS_DETACH.rawValue, MemoryLayout<fs_detach>.size):
                let record = unsafe bytes.loadUnaligned(fromByteOffset: offset, as: fs_detach.self)
                if let (detach, path) = detach(record) {
                    if let path { sink.take(path) }
                    resolver?.names(for: detach).forEach { sink.take($0) }
                    sink.take(detach)
                } else {
                    malformed += 1
                }
            case (FS_ACTIVITY.rawValue, MemoryLayout<fs_activity>.size):
                let record = unsafe bytes.loadUnaligned(fromByteOffset: offset, as: fs_activity.self)
                if let activity = activity(record) { sink.take(activity) } else { malformed += 1 }
            case (FS_NAME.rawValue, NamedFile.recordBytes):
                if let file = unsafe NamedFile(record: UnsafeRawBufferPointer(rebasing: bytes[offset..<offset + size]))
                {
                    if let name = resolver?.name(of: file) { sink.take(name) }
                } else {
                    malformed += 1
                }
            default: malformed += 1
            }
            offset += size
        }
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
            lockWaits: record.lock_waits, page: page(record.page),
            operation: FutexOperation(rawValue: record.operation))
    }

    private func page(_ record: fs_page) -> PageFacts? {
        guard record.page != 0 || record.facts != 0 else { return nil }
        return PageFacts(
            page: id(record.page), file: FileID(device: record.dev, inode: record.inode),
            index: record.index, fileSize: record.file_size, magic: record.fs_magic,
            facts: PageFacts.Facts(rawValue: record.facts),
            slot: PageFacts.SlotAnswer(rawValue: record.slot) ?? .notAsked, detachTime: record.detach_time)
    }

    /// The detach, and the name of its call path if that must be emitted before it. Nil for an unknown source.
    private func detach(_ record: fs_detach) -> (Detach, Name?)? {
        guard let via = Detach.Source(rawValue: record.via) else { return nil }
        let depth = min(Int(record.stack_depth), Int(FS_STACK_DEPTH))
        // The tuple has FS_STACK_DEPTH addresses of eight bytes.
        let stack = unsafe withUnsafeBytes(of: record.stack) { stack in
            (0..<depth).map { unsafe stack.loadUnaligned(fromByteOffset: $0 * 8, as: UInt64.self) }
        }
        let (reading, name) = names.read(stack, isCut: depth == Int(FS_STACK_DEPTH))
        let hole =
            record.range_known != 0 && record.range_start <= record.range_end
            ? record.range_start..<record.range_end : nil
        let detach = Detach(
            time: record.h.time, page: id(record.page),
            culprit: task(record.pid, record.tid, record.comm, record.cgroup),
            file: FileID(device: record.dev, inode: record.inode), magic: record.fs_magic,
            index: record.index, fileSize: record.file_size, pages: record.pages,
            references: record.refcount, via: via, scope: ActivityKind(rawValue: record.scope), hole: hole,
            landmarks: reading.landmarks, stackIsNamed: depth > 0 && names.hasAddresses, callPath: reading.callPath)
        return (detach, name)
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
        // The tuple has sixteen bytes, which are read as two words.
        let (low, high) = unsafe withUnsafeBytes(of: comm) {
            unsafe ($0.loadUnaligned(as: UInt64.self), $0.loadUnaligned(fromByteOffset: 8, as: UInt64.self))
        }
        return TaskIdentity(pid: pid, tid: tid, comm: Comm(low: low, high: high), cgroup: cgroup)
    }

    /// An opaque id that is stable within this process: SipHash with the random key of this process.
    private func id(_ page: UInt64) -> PageID {
        if kernelAddresses || page == 0 { return PageID(rawValue: page) }
        var hasher = Hasher()
        hasher.combine(page)
        return PageID(rawValue: UInt64(bitPattern: Int64(hasher.finalize())))
    }
}
