// Reads a recording back: packet by packet through one buffer, so that memory does not grow with the files,
// and every packet is compared with its checksum before anything in it is believed. A packet that is
// damaged or cut off is passed over and becomes an omission; the records that it held are a loss.

public import Events

/// A recording as a source of events.
@safe public final class RecordingReader: EventSource {
    public private(set) var run: RunInfo
    public private(set) var omissions: [Omission] = []

    private let directory: String
    private let trace: TraceID
    private var streams: [(name: String, size: UInt64)]
    private var current: (file: ReadFile, name: String, size: UInt64)?
    private var offset: UInt64 = 0
    private var bytesBefore: UInt64 = 0
    private let bytesInAll: UInt64
    private let buffer: UnsafeMutableRawBufferPointer
    private var recordsRead: UInt64 = 0
    private var activities: [ActivityKind: Totals.ActivityTotals] = [:]
    private var hasEnded = false
    private let smallestRecords: [Int]

    /// Opens a directory and reads its metadata.
    /// - Throws: what it is instead of a recording.
    public init(directory: String) throws(SourceError) {
        let path = directory.hasSuffix("/") && directory.utf8.count > 1 ? String(directory.dropLast()) : directory
        self.directory = path
        let text = try Self.text(of: path)
        let metadata = try Metadata(parsing: text, name: path + "/metadata")
        (trace, run) = (metadata.trace, metadata.run)
        streams = []
        do throws(SystemFailure) {
            for name in try Files.list(path) where name.hasPrefix("stream_") {
                streams.append((name, try ReadFile(path + "/" + name).status.size))
            }
        } catch {
            throw SourceError("cannot read the recording \(path): \(error.text)")
        }
        bytesInAll = streams.reduce(0) { $0 + $1.size }
        unsafe buffer = .allocate(byteCount: PacketHead.limit, alignment: 64)
        smallestRecords = (0...RecordKind.allCases.count).map { code in
            var size = SizeCount()
            RecordKind(rawValue: UInt8(code))?.visitBlank(&size)
            return size.bytes
        }
        if streams.isEmpty { omissions.append(Omission(place: path, what: "there is no stream: nothing was recorded")) }
    }

    deinit { unsafe buffer.deallocate() }

    public var progress: SourceProgress {
        SourceProgress(bytesRead: bytesBefore + offset, bytesInAll: bytesInAll)
    }

    private static func text(of path: String) throws(SourceError) -> String {
        let name = path + "/metadata"
        let text: String?
        do throws(SystemFailure) {
            text = try ReadFile(name).text(limit: 1 << 20)
        } catch {
            throw SourceError(
                error.isMissing
                    ? "cannot read the recording \(path): it has no file metadata; expected a directory made by futexscope record"
                    : "cannot read \(name): \(error.text)")
        }
        guard let text else { throw SourceError("cannot read \(name): expected a file of a few kilobytes") }
        return text
    }

    // MARK: Packets

    /// Appends the events of the next packet that is whole.
    public func read(into events: inout [Event]) throws -> Bool {
        while !hasEnded {
            guard let open = try openStream() else {
                hasEnded = true
                break
            }
            guard offset < open.size else {
                bytesBefore += offset
                (current, offset) = (nil, 0)
                continue
            }
            if let size = try readPacket(open.file) {
                offset += UInt64(size)
                decode(size, into: &events)
                return true
            }
            try passOver(open)
        }
        return false
    }

    private func openStream() throws(SourceError) -> (file: ReadFile, name: String, size: UInt64)? {
        if let current { return current }
        guard !streams.isEmpty else { return nil }
        let (name, size) = streams.removeFirst()
        do throws(SystemFailure) {
            current = (try ReadFile(directory + "/" + name), name, size)
        } catch {
            throw SourceError("cannot read \(directory)/\(name): \(error.text)")
        }
        return current
    }

    /// Reads the packet at `offset` into the buffer; nil when there is no whole and intact one.
    private func readPacket(_ file: ReadFile) throws(SourceError) -> Int? {
        guard let head = try self.head(in: file, at: offset) else { return nil }
        let packet = unsafe UnsafeMutableRawBufferPointer(rebasing: buffer[..<head.byteCount])
        let count = unsafe try fill(packet, from: file, at: offset)
        guard count == head.byteCount, unsafe PacketHead.isIntact(UnsafeRawBufferPointer(packet)) else { return nil }
        return count
    }

    private func head(in file: ReadFile, at place: UInt64) throws(SourceError) -> PacketHead? {
        let bytes = unsafe UnsafeMutableRawBufferPointer(rebasing: buffer[..<PacketHead.size])
        guard unsafe try fill(bytes, from: file, at: place) == PacketHead.size else { return nil }
        return unsafe PacketHead(loading: UnsafeRawBufferPointer(bytes), trace: trace)
    }

    private func fill(
        _ bytes: UnsafeMutableRawBufferPointer, from file: ReadFile, at place: UInt64
    ) throws(SourceError) -> Int {
        do throws(SystemFailure) {
            return unsafe try file.read(into: bytes, at: place)
        } catch {
            throw SourceError("cannot read \(directory)/\(current?.name ?? ""), byte \(place): \(error.text)")
        }
    }

    /// Goes on at the next place that begins a packet of this trace, or at the end of the file.
    private func passOver(_ open: (file: ReadFile, name: String, size: UInt64)) throws(SourceError) {
        let begin = offset
        let mark: [UInt8] = (0..<4).map { UInt8(truncatingIfNeeded: PacketHead.magic >> ($0 * 8)) }
        offset += 1
        while offset < open.size {
            let count = unsafe try fill(buffer, from: open.file, at: offset)
            guard count >= mark.count else {
                offset = open.size
                break
            }
            // The next mark within what was read; its last bytes are read again, for one that is split.
            var found: Int?
            for place in 0...(count - mark.count) where unsafe buffer[place] == mark[0] {
                if unsafe buffer[place..<place + mark.count].elementsEqual(mark) {
                    found = place
                    break
                }
            }
            if let found {
                offset += UInt64(found)
                if try head(in: open.file, at: offset) != nil { break }
                offset += 1
            } else {
                offset += UInt64(count - mark.count + 1)
            }
        }
        offset = min(offset, open.size)
        let isEnd = offset == open.size
        omissions.append(
            Omission(
                place: "\(directory)/\(open.name), byte \(begin)",
                what: isEnd
                    ? "the last packet is cut off: \(offset - begin) bytes are left out"
                    : "a damaged packet: \(offset - begin) bytes are left out"))
    }

    // MARK: Records

    private func decode(_ size: Int, into events: inout [Event]) {
        let packet = unsafe UnsafeRawBufferPointer(rebasing: buffer[..<size])
        guard let head = unsafe PacketHead(loading: packet, trace: trace) else { return }
        if head.recordsBefore > recordsRead {
            if recordsRead == 0 {
                omissions.append(
                    Omission(
                        place: directory,
                        what: "the first \(head.recordsBefore) records gave way to newer ones (--rotate)"))
            }
            events.append(
                .lost(Loss(time: head.beginTime, stage: .recording, count: head.recordsBefore - recordsRead)))
            recordsRead = head.recordsBefore
        }
        var load = unsafe RecordLoad(packet, from: PacketHead.size)
        while !load.isAtEnd {
            _ = load.take(UInt64.self)
            let code = load.take(UInt8.self)
            guard load.isWhole, let kind = RecordKind(rawValue: code),
                size - load.position >= smallestRecords[Int(code)]
            else { return malformed(at: load.position, into: &events) }
            let event = self.event(kind, &load)
            guard load.isWhole else { return malformed(at: load.position, into: &events) }
            recordsRead &+= 1
            if let event { events.append(event) }
        }
    }

    /// One record; nil for one that only belongs to a later one.
    @inline(__always)
    private func event(_ kind: RecordKind, _ load: inout RecordLoad) -> Event? {
        switch kind {
        case .lookup:
            var lookup = Lookup.blank
            lookup.visit(&load)
            return .lookup(lookup)
        case .progress:
            var lookup = Lookup.blank
            lookup.visit(&load)
            return .progress(lookup)
        case .detach:
            var detach = Detach.blank
            detach.visit(&load)
            return .detach(detach)
        case .activity:
            var activity = Activity.blank
            activity.visit(&load)
            return .activity(activity)
        case .file:
            var file = FileName()
            file.visit(&load)
            return .name(Name(subject: .file(file.file), text: file.path, detail: file.fileSystem))
        case .cgroup:
            var cgroup = CgroupName()
            cgroup.visit(&load)
            return .name(Name(subject: .cgroup(cgroup.id), text: cgroup.path))
        case .lost:
            var loss = Loss.blank
            loss.visit(&load)
            return .lost(loss)
        case .activityTotals:
            var one = OneActivity()
            one.visit(&load)
            activities[one.kind] = one.totals
            return nil
        case .totals:
            var totals = Totals()
            totals.visit(&load)
            totals.activities = activities
            activities = [:]
            return .totals(totals)
        }
    }

    /// The checksum is right and the records are not: a writer with a bug, or a forged packet.
    private func malformed(at place: Int, into events: inout [Event]) {
        let packetBegin = offset - UInt64(min(place, Int(offset)))
        omissions.append(
            Omission(
                place: "\(directory)/\(current?.name ?? ""), byte \(packetBegin)",
                what: "a record that makes no sense; the rest of its packet is left out"))
        events.append(.lost(Loss(time: 0, stage: .malformed, count: 1)))
    }
}
