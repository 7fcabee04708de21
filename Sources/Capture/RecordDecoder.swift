// From the bytes of bpf/shared/records.h to events. Lengths are checked against the tag before anything
// is read; an unknown kind is counted and passed over. Kernel addresses end here: pages become opaque
// ids and stacks become landmarks.

import CRecords
import Events

/// Decodes batches of ring-buffer records.
struct RecordDecoder {
    private let names: StackNames
    private let kernelAddresses: Bool
    /// Records passed over since the beginning.
    private(set) var malformed: UInt64 = 0

    init(names: StackNames, kernelAddresses: Bool) {
        self.names = names
        self.kernelAddresses = kernelAddresses
    }

    /// Calls `body` for each event of a batch, in order. A batch is a sequence of whole records.
    mutating func decode(_ batch: [UInt8], _ body: (Event) -> Void) {
        unsafe batch.withUnsafeBytes { bytes in
            var offset = 0
            while offset + MemoryLayout<fs_header>.size <= bytes.count {
                // Inside the batch, by the comparison above; records need not be aligned.
                let header = unsafe bytes.loadUnaligned(fromByteOffset: offset, as: fs_header.self)
                let size = Int(header.size)
                guard size >= MemoryLayout<fs_header>.size, offset + size <= bytes.count else {
                    malformed += 1
                    return
                }
                if let event = unsafe event(bytes, at: offset, kind: header.kind, size: size) {
                    body(event)
                } else {
                    malformed += 1
                }
                offset += size
            }
        }
    }

    private func event(_ bytes: UnsafeRawBufferPointer, at offset: Int, kind: UInt16, size: Int) -> Event? {
        func load<Record: BitwiseCopyable>(_ type: Record.Type) -> Record? {
            guard size == MemoryLayout<Record>.size else { return nil }
            // `size` bytes from `offset` lie inside the batch: the caller compared.
            return unsafe bytes.loadUnaligned(fromByteOffset: offset, as: Record.self)
        }
        switch UInt32(kind) {
        case FS_LOOKUP.rawValue: return load(fs_lookup.self).map { .lookup(lookup($0)) }
        case FS_PROGRESS.rawValue: return load(fs_lookup.self).map { .progress(lookup($0)) }
        case FS_DETACH.rawValue: return load(fs_detach.self).flatMap(detach).map { .detach($0) }
        case FS_ACTIVITY.rawValue: return load(fs_activity.self).flatMap(activity).map { .activity($0) }
        default: return nil
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
            lockWaits: record.lock_waits, page: page(record.page))
    }

    private func page(_ record: fs_page) -> PageFacts? {
        guard record.page != 0 else { return nil }
        return PageFacts(
            page: id(record.page), file: FileID(device: record.dev, inode: record.inode),
            index: record.index, fileSize: record.file_size, magic: record.fs_magic,
            facts: PageFacts.Facts(rawValue: record.facts), mode: record.mode,
            slot: PageFacts.SlotAnswer(rawValue: record.slot) ?? .notAsked, detachTime: record.detach_time)
    }

    private func detach(_ record: fs_detach) -> Detach? {
        guard let via = Detach.Hook(rawValue: record.via) else { return nil }
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
