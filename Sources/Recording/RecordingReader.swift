// SPDX-License-Identifier: Apache-2.0

// Reads a recording: packet by packet through one buffer, so that memory does not grow with the files. The checksum of
// every packet is checked before its records are used. A packet that is damaged or cut off is skipped and becomes an
// omission; the records that it held are a loss.

public import Events
internal import System

/// A recording as a source of events.
@safe public final class RecordingReader: EventSource {
    public private(set) var run: RunInfo
    /// The first places that cannot be read, and after the last event how many more there are.
    public private(set) var omissions: [Omission] = []
    private var unlistedOmissions = 0

    /// Large enough that reading costs little, small enough to stay in the processor's cache together with the events
    /// made from it.
    private static let bufferBytes = 128 << 10
    /// Places that are listed. A forged recording can have one for each hundred bytes.
    private static let omissionLimit = 1000
    /// Bytes that one call skips at most, so that the caller can end a long search, such as through a sparse file.
    private static let skipBytes: UInt64 = 64 << 20

    private struct OpenStream {
        var file: ReadFile
        var name: String
        var size: UInt64
    }

    private let directory: String
    private let trace: RunID
    private let format: Int
    private var streams: [(name: String, size: UInt64)]
    private var current: OpenStream?
    private var offset: UInt64 = 0
    /// Where the bytes begin that are being skipped.
    private var skippedFrom: UInt64?
    /// The part of the current file that is in the buffer.
    private var window: Range<UInt64> = 0..<0
    private var bytesBefore: UInt64 = 0
    private let bytesInAll: UInt64
    private let buffer: UnsafeMutableRawBufferPointer
    private var recordsRead: UInt64 = 0
    private var activities: [ActivityKind: Totals.ActivityTotals] = [:]
    private var hasEnded = false

    /// Opens a directory and reads its metadata.
    /// - Throws: why it is not a recording that can be read.
    public init(directory: String) throws(SourceError) {
        let path = directory.hasSuffix("/") && directory.utf8.count > 1 ? String(directory.dropLast()) : directory
        self.directory = path
        let text = try Self.text(of: path)
        let metadata = try Metadata(parsing: text, name: path + "/metadata")
        (trace, run, format) = (metadata.trace, metadata.run, metadata.format)
        streams = []
        do throws(SystemError) {
            for name in try Files.list(path) where name.hasPrefix("stream_") {
                streams.append((name, try ReadFile(path + "/" + name).status.size))
            }
        } catch {
            throw SourceError("cannot read the recording \(path): \(error.text)")
        }
        // Sizes are what the files claim, sparse ones too.
        bytesInAll = streams.reduce(0) { sum, stream in
            let (all, isTooLarge) = sum.addingReportingOverflow(stream.size)
            return isTooLarge ? .max : all
        }
        unsafe buffer = .allocate(byteCount: Self.bufferBytes, alignment: 64)
        if streams.isEmpty {
            omit(Omission(place: path, what: "there is no stream: nothing was recorded", hidesObservations: true))
        }
    }

    deinit { unsafe buffer.deallocate() }

    public var progress: SourceProgress {
        SourceProgress(bytesRead: bytesBefore + offset, bytesInAll: bytesInAll)
    }

    private static func text(of path: String) throws(SourceError) -> String {
        let name = path + "/metadata"
        let text: String?
        do throws(SystemError) {
            text = try ReadFile(name).text(limit: 1 << 20)
        } catch {
            throw SourceError(error.isMissing ? withoutMetadata(path) : "cannot read \(name): \(error.text)")
        }
        guard let text else { throw SourceError("cannot read \(name): expected a file of a few kilobytes") }
        if text.isEmpty { throw SourceError(withoutMetadata(path)) }
        return text
    }

    /// What a directory is that has no metadata, or empty ones, and what to do. A recorder makes the directory first,
    /// writes the metadata when its probes are attached, and makes the first stream after that.
    private static func withoutMetadata(_ path: String) -> String {
        let names: [String]
        do throws(SystemError) {
            names = try Files.list(path)
        } catch {
            return "cannot read the recording \(path): \(error.text)"
        }
        if names.allSatisfy({ $0 == "metadata" }) {
            return
                "cannot read the recording \(path): nothing was recorded; a recorder that is killed while it attaches its probes leaves such a directory; remove it and record again"
        }
        if names.contains(where: { $0.hasPrefix("stream_") }) {
            return
                "cannot read the recording \(path): its file metadata is missing or empty, and the events cannot be read without it; copy the whole directory"
        }
        if names.contains(where: { (try? Files.list("\(path)/\($0)"))?.contains("metadata") == true }) {
            return
                "cannot read the recording \(path): it contains directories of recordings, or of another program such as LTTng; name those made by futexscope record"
        }
        return
            "cannot read the recording \(path): it has no file metadata; expected a directory made by futexscope record"
    }

    // MARK: Packets

    /// Hands over the events of the next whole packets: as many as one read of the file gives.
    public func read(into sink: inout some EventSink) throws -> Bool {
        var hasRead = false
        while !hasEnded {
            guard let open = try openStream() else {
                end()
                break
            }
            guard offset < open.size else {
                bytesBefore += offset
                (current, offset, window) = (nil, 0, 0..<0)
                continue
            }
            guard skippedFrom == nil, let head = try packet(in: open) else {
                if try !skip(open) { return true }
                continue
            }
            decode(head, into: &sink)
            hasRead = true
            offset += UInt64(head.byteCount)
            // The next packet is most likely not larger than this one.
            if offset + UInt64(head.byteCount) > window.upperBound { break }
        }
        return !hasEnded || hasRead
    }

    private func end() {
        hasEnded = true
        guard unlistedOmissions > 0 else { return }
        omissions.append(
            Omission(
                place: directory,
                what: "\(counted(UInt64(unlistedOmissions), "more place", "more places")) that cannot be read"))
    }

    private func omit(_ omission: Omission) {
        if omissions.count < Self.omissionLimit || omission.hidesObservations {
            omissions.append(omission)
        } else {
            unlistedOmissions += 1
        }
    }

    private func openStream() throws(SourceError) -> OpenStream? {
        if let current { return current }
        guard !streams.isEmpty else { return nil }
        let (name, size) = streams.removeFirst()
        do throws(SystemError) {
            current = OpenStream(file: try ReadFile(directory + "/" + name), name: name, size: size)
        } catch {
            throw SourceError("cannot read \(directory)/\(name): \(error.text)")
        }
        return current
    }

    /// The head of a whole and intact packet at `offset`; all its bytes are then in the window.
    private func packet(in open: OpenStream) throws(SourceError) -> PacketHead? {
        guard let bytes = unsafe try bytes(PacketHead.size, at: offset, of: open),
            let head = unsafe PacketHead(loading: bytes, trace: trace),
            let packet = unsafe try self.bytes(head.byteCount, at: offset, of: open),
            unsafe PacketHead.isIntact(packet)
        else { return nil }
        return head
    }

    /// `count` bytes of the file at `place`, nil where the file ends earlier. Valid until the next call.
    private func bytes(_ count: Int, at place: UInt64, of open: OpenStream) throws(SourceError)
        -> UnsafeRawBufferPointer?
    {
        if place < window.lowerBound || place + UInt64(count) > window.upperBound {
            do throws(SystemError) {
                let got = unsafe try open.file.read(into: buffer, at: place)
                window = place..<place + UInt64(got)
            } catch {
                throw SourceError("cannot read \(directory)/\(open.name), byte \(place): \(error.text)")
            }
        }
        guard place + UInt64(count) <= window.upperBound else { return nil }
        let begin = Int(place - window.lowerBound)
        // Inside the window, by the comparisons above.
        return unsafe UnsafeRawBufferPointer(rebasing: buffer[begin..<begin + count])
    }

    /// Moves towards the next place where a packet of this trace starts, or to the end of the file.
    /// - Returns: false when it has not come there yet.
    private func skip(_ open: OpenStream) throws(SourceError) -> Bool {
        let begin = skippedFrom ?? offset
        if skippedFrom == nil { offset += 1 }
        let mark: [UInt8] = (0..<4).map { UInt8(truncatingIfNeeded: PacketHead.magic >> ($0 * 8)) }
        // No file has 2^63 bytes.
        let pause = min(open.size, offset + Self.skipBytes)
        var hasFound = false
        search: while offset < pause {
            let step = Int(min(UInt64(PacketHead.limit), open.size - offset))
            guard step >= mark.count, let part = unsafe try bytes(step, at: offset, of: open) else {
                offset = open.size
                break
            }
            // The last bytes are read again, because a mark may be split between two steps.
            for place in 0...(step - mark.count) where unsafe part[place] == mark[0] {
                guard unsafe part[place..<place + mark.count].elementsEqual(mark) else { continue }
                let found = offset + UInt64(place)
                if let bytes = unsafe try bytes(PacketHead.size, at: found, of: open),
                    unsafe PacketHead(loading: bytes, trace: trace) != nil
                {
                    (offset, hasFound) = (found, true)
                    break search
                }
                offset = found + 1
                continue search
            }
            offset += UInt64(step - mark.count + 1)
        }
        guard hasFound || offset >= open.size else {
            skippedFrom = begin
            return false
        }
        skippedFrom = nil
        offset = min(offset, open.size)
        // What was in a damaged packet the next one knows, and it is counted as lost. After the last one nothing knows.
        let isLast = offset == open.size && streams.isEmpty
        omit(
            Omission(
                place: "\(directory)/\(open.name), byte \(begin)",
                what: offset == open.size
                    ? "the last packet is cut off or damaged: \(counted(offset - begin, "byte is", "bytes are")) left out"
                    : "a damaged packet: \(counted(offset - begin, "byte is", "bytes are")) left out",
                hidesObservations: isLast))
        return true
    }

    // MARK: Records

    private func decode(_ head: PacketHead, into sink: inout some EventSink) {
        if head.recordsBefore > recordsRead {
            if recordsRead == 0 {
                omit(
                    Omission(
                        place: directory,
                        what:
                            "the first \(counted(head.recordsBefore, "record was", "records were")) removed for newer ones, or damaged"
                    ))
            }
            sink.take(Loss(time: head.beginTime, stage: .recording, count: head.recordsBefore - recordsRead))
            recordsRead = head.recordsBefore
        }
        let begin = Int(offset - window.lowerBound)
        // The whole packet is in the window.
        var load = unsafe RecordLoad(
            UnsafeRawBufferPointer(rebasing: buffer[begin..<begin + head.contentSize]), from: PacketHead.size,
            format: format)
        while !load.isAtEnd {
            let place = load.position
            _ = load.take(UInt64.self)
            let code = load.take(UInt8.self)
            guard load.isWhole, let kind = RecordKind(rawValue: code) else {
                return malformed(at: place, into: &sink)
            }
            take(kind, &load, into: &sink)
            guard load.isWhole else { return malformed(at: place, into: &sink) }
            recordsRead &+= 1
        }
    }

    /// Hands over the event of one record, if it is whole. A record that belongs to a later one is kept until then.
    @inline(__always)
    private func take(_ kind: RecordKind, _ load: inout RecordLoad, into sink: inout some EventSink) {
        switch kind {
        case .lookup, .progress:
            var lookup = Lookup.blank
            lookup.visit(&load)
            if load.isWhole { sink.take(lookup, isProgress: kind == .progress) }
        case .detach:
            var detach = Detach.blank
            detach.visit(&load)
            if load.isWhole { sink.take(detach) }
        case .activity:
            var activity = Activity.blank
            activity.visit(&load)
            if load.isWhole { sink.take(activity) }
        case .file:
            var file = FileName()
            file.visit(&load)
            if load.isWhole {
                sink.take(
                    Name(subject: .file(file.file), text: file.path, detail: file.fileSystem, fileState: file.state))
            }
        case .cgroup:
            var cgroup = CgroupName()
            cgroup.visit(&load)
            if load.isWhole { sink.take(Name(subject: .cgroup(cgroup.id), text: cgroup.path)) }
        case .callPath:
            var path = CallPathName()
            path.visit(&load)
            if load.isWhole { sink.take(Name(subject: .callPath(path.id), text: path.functions)) }
        case .lost:
            var loss = Loss.blank
            loss.visit(&load)
            if load.isWhole { sink.take(loss) }
        case .activityTotals:
            var one = OneActivity()
            one.visit(&load)
            if load.isWhole { activities[one.kind] = one.totals }
        case .totals:
            var totals = Totals()
            totals.visit(&load)
            guard load.isWhole else { return }
            totals.activities = activities
            activities = [:]
            sink.take(totals)
        }
    }

    /// The checksum is right and the records are not: the writer has a bug, or the packet is forged.
    private func malformed(at place: Int, into sink: inout some EventSink) {
        omit(
            Omission(
                place: "\(directory)/\(current?.name ?? ""), byte \(offset + UInt64(place))",
                what: "a record that makes no sense; the rest of its packet is left out"))
        sink.take(Loss(time: 0, stage: .malformed, count: 1))
    }
}
