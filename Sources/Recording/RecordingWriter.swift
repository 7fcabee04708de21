// Writes a run as a directory in the Common Trace Format 1.8. Records collect in one packet, which goes to
// the file when it is full or half a second old: in one write that stays within one page of the file, since
// that is what the kernel does whole or not at all, even when the process is killed meanwhile. The order is
// that of arrival, since the same events in the same order give the same findings; a record's time stamp
// never goes back, and its own time stands in its fields.

public import Events

/// What a recording may take.
public struct RecordingLimits: Sendable {
    /// Bytes of all files together; nil for no limit.
    public var maxBytes: UInt64?
    /// At the limit the oldest file gives way; otherwise the recording ends there.
    public var rotates = false

    /// The smallest limit that makes sense.
    public static let smallest: UInt64 = 1 << 20

    public init(maxBytes: UInt64? = nil, rotates: Bool = false) {
        (self.maxBytes, self.rotates) = (maxBytes, rotates)
    }
}

/// Why a recording cannot be made or go on. One line for the user.
public struct RecordingFailure: Error, Sendable, Equatable {
    public var message: String
    /// The path was no good to begin with, so nothing was made.
    public var isUsage: Bool
}

/// A recording that is being made. What it has written stays readable whatever happens to the process.
@safe public final class RecordingWriter {
    /// No packet crosses a multiple of this in its file. generic_perform_write() and its likes copy page by
    /// page, and look for a fatal signal in between.
    private static let pageBytes = 4096
    /// A page with less room than this is filled up: every record but a text fits into it.
    private static let smallestPacket = 512
    /// After so long a packet is written though it is not full.
    private static let patience = Duration.milliseconds(450)
    /// Kept free below the limit for what ends a recording.
    private static let reserve: UInt64 = 64 << 10
    /// A file is this part of the limit when files give way to each other.
    private static let filesInRotation: UInt64 = 8
    /// Names told again in each new file: those of the most recent files and control groups.
    private static let namesKept = 1024

    public let directory: String
    /// Records in all packets that were written.
    public private(set) var recordsWritten: UInt64 = 0
    public private(set) var bytesWritten: UInt64 = 0
    /// No more is taken but what ends the recording.
    public private(set) var hasReachedLimit = false

    private let limits: RecordingLimits
    private let clock = ContinuousClock()
    private let packet: UnsafeMutableRawBufferPointer
    private var count = PacketHead.size
    private var records: UInt64 = 0
    private var head: PacketHead
    private var packetBegan: ContinuousClock.Instant?
    private var lastStamp: UInt64 = 0
    private var file: NewFile?
    private var metadataBytes: UInt64 = 0
    /// Files before the current one, oldest first, with their sizes.
    private var older: [(path: String, size: UInt64)] = []
    private var filesMade = 0
    private var names = Names(limit: namesKept)
    private var isBroken = false
    /// Names are on their way into a new file, which is not full by that.
    private var isTellingAgain = false

    /// Makes the directory. It must not exist.
    public init(directory: String, limits: RecordingLimits = RecordingLimits()) throws(RecordingFailure) {
        do throws(SystemFailure) {
            try Files.makeDirectory(directory)
        } catch {
            throw RecordingFailure(
                message: error.isExisting
                    ? "cannot make the recording \(directory): it exists, and nothing is overwritten; remove it or choose another path"
                    : "cannot make the recording \(directory): \(error.text); expected a new directory in one that can be written to",
                isUsage: true)
        }
        self.directory = directory
        self.limits = limits
        head = PacketHead(trace: .random())
        unsafe packet = .allocate(byteCount: Self.pageBytes, alignment: 64)
    }

    deinit { unsafe packet.deallocate() }

    /// Takes back what `init` made, as long as nothing was begun.
    public func abandon() {
        if filesMade == 0 { Files.removeDirectory(directory) }
    }

    // MARK: Recording

    /// Writes the metadata. Until then nothing can be recorded.
    public func begin(_ run: RunInfo) throws(RecordingFailure) {
        let text = Metadata(trace: head.trace, run: run).text
        do throws(SystemFailure) {
            let metadata = try NewFile(directory + "/metadata")
            try metadata.append(text)
            metadataBytes = metadata.size
            bytesWritten = metadata.size
            try nextFile()
        } catch {
            throw broken(by: error)
        }
    }

    /// Records events in order. At the limit, and after a failure, they are passed over.
    public func append(_ events: [Event]) throws(RecordingFailure) {
        if isBroken || file == nil { return }
        var waiting: [Name] = []
        for event in events {
            if case .name(let name) = event {
                waiting.append(name)
                continue
            }
            if hasReachedLimit, !event.endsRecording { continue }
            let time = event.time ?? lastStamp
            try tell(&waiting, at: time)
            try record(event, at: time)
        }
        try tell(&waiting, at: lastStamp)
        if let began = packetBegan, clock.now - began >= Self.patience { try flush() }
    }

    /// Writes what is left and waits until the disk has it.
    public func finish() throws(RecordingFailure) {
        if isBroken { return }
        try flush()
        do throws(SystemFailure) { try file?.sync() } catch { throw broken(by: error) }
    }

    private func tell(_ waiting: inout [Name], at time: UInt64) throws(RecordingFailure) {
        for name in waiting {
            names.learn(name)
            try record(name, at: time)
        }
        waiting.removeAll(keepingCapacity: true)
    }

    private func record(_ event: Event, at time: UInt64) throws(RecordingFailure) {
        switch event {
        case .lookup(var lookup): try put(.lookup, at: time) { lookup.visit(&$0) }
        case .progress(var lookup): try put(.progress, at: time) { lookup.visit(&$0) }
        case .detach(var detach): try put(.detach, at: time) { detach.visit(&$0) }
        case .activity(var activity): try put(.activity, at: time) { activity.visit(&$0) }
        case .lost(var loss):
            if loss.stage.isOfEvents { head.eventsDiscarded &+= loss.count }
            try put(.lost, at: time) { loss.visit(&$0) }
        case .totals(var totals):
            for kind in ActivityKind.allCases {
                guard let counted = totals.activities[kind] else { continue }
                var one = OneActivity(kind: kind, totals: counted)
                try put(.activityTotals, at: time) { one.visit(&$0) }
            }
            try put(.totals, at: time) { totals.visit(&$0) }
        case .name(let name): try record(name, at: time)
        }
    }

    private func record(_ name: Name, at time: UInt64) throws(RecordingFailure) {
        switch name.subject {
        case .file(let file):
            var record = FileName(
                file: file, path: name.text.cut(3600), fileSystem: name.detail.cut(200), state: name.fileState)
            try put(.file, at: time) { record.visit(&$0, format: Metadata.formats.upperBound) }
        case .cgroup(let id):
            var record = CgroupName(id: id, path: name.text.cut(3600))
            try put(.cgroup, at: time) { record.visit(&$0) }
        }
    }

    // MARK: Packets

    /// Stores one record, in a new packet where it does not fit into this one.
    @inline(__always)
    private func put(
        _ kind: RecordKind, at time: UInt64, _ visit: (inout RecordStore) -> Void
    ) throws(RecordingFailure) {
        let stamp = max(time, lastStamp)
        while true {
            // The packet's bytes live as long as this object, and there is a page of them.
            var store = unsafe RecordStore(UnsafeMutableRawBufferPointer(rebasing: packet[..<room]), from: count)
            store.put(stamp)
            store.put(kind.rawValue)
            visit(&store)
            if !store.overflowed {
                count = store.count
                break
            }
            // Every record fits into an empty page: text is cut.
            try flush(fillsPage: true)
        }
        if records == 0 {
            head.beginTime = stamp
            packetBegan = clock.now
        }
        records += 1
        lastStamp = stamp
    }

    /// Bytes of the page in which the next packet will lie.
    private var room: Int { Self.pageBytes - Int((file?.size ?? 0) % UInt64(Self.pageBytes)) }

    /// Writes the packet. With `fillsPage` the next one has a whole page to itself.
    private func flush(fillsPage: Bool = false) throws(RecordingFailure) {
        guard records > 0 || fillsPage, !isBroken, let current = file else { return }
        do throws(SystemFailure) {
            if records == 0 { head.beginTime = lastStamp }
            head.endTime = lastStamp
            head.contentSize = count
            head.byteCount = fillsPage || room - count < Self.smallestPacket ? room : count
            head.recordsBefore = recordsWritten
            // Both lie within the page.
            let bytes = unsafe UnsafeMutableRawBufferPointer(rebasing: packet[..<head.byteCount])
            unsafe UnsafeMutableRawBufferPointer(rebasing: bytes[count...]).initializeMemory(
                as: UInt8.self, repeating: 0)
            unsafe head.store(into: bytes)
            unsafe try current.append(UnsafeRawBufferPointer(bytes))
            bytesWritten += UInt64(head.byteCount)
            recordsWritten += records
            head.sequenceNumber += 1
            (count, records, packetBegan) = (PacketHead.size, 0, nil)
        } catch {
            throw broken(by: error)
        }
        try observeLimits(current)
    }

    // MARK: Files

    private func nextFile() throws(SystemFailure) {
        if let file { older.append((file.path, file.size)) }
        filesMade += 1
        let number = String(filesMade)
        file = try NewFile(
            directory + "/stream_" + String(repeating: "0", count: max(0, 6 - number.utf8.count)) + number)
    }

    private func observeLimits(_ current: NewFile) throws(RecordingFailure) {
        guard let limit = limits.maxBytes, !isTellingAgain else { return }
        guard limits.rotates else {
            if bytesWritten + Self.reserve > limit { hasReachedLimit = true }
            return
        }
        guard current.size + UInt64(Self.pageBytes) > limit / Self.filesInRotation else { return }
        do throws(SystemFailure) { try nextFile() } catch { throw broken(by: error) }
        while let oldest = older.first,
            metadataBytes + older.reduce(0, { $0 + $1.size }) + limit / Self.filesInRotation > limit
        {
            Files.remove(oldest.path)
            older.removeFirst()
        }
        try tellAgain(bytes: Int(limit / Self.filesInRotation / 4))
    }

    /// Tells the youngest names to a new file, in no more than so many bytes of it.
    private func tellAgain(bytes: Int) throws(RecordingFailure) {
        isTellingAgain = true
        defer { isTellingAgain = false }
        var left = bytes
        for name in names.all.reversed() {
            left -= name.text.utf8.count + name.detail.utf8.count + PacketHead.size
            if left < 0 { break }
            try record(name, at: lastStamp)
        }
    }

    private func broken(by failure: SystemFailure) -> RecordingFailure {
        isBroken = true
        let kept = "\(recordsWritten) events are in it and stay readable"
        return RecordingFailure(
            message: failure.isNoRoom
                ? "the recording \(directory) ends: \(failure.text); \(kept)"
                : "cannot write to the recording \(directory): \(failure.text); \(kept)",
            isUsage: false)
    }
}

extension Event {
    fileprivate var endsRecording: Bool {
        switch self {
        case .lost, .totals: true
        default: false
        }
    }
}

extension Loss.Stage {
    /// Counts of these are of events that would have been recorded: CTF's `events_discarded`.
    var isOfEvents: Bool {
        switch self {
        case .ringLookup, .ringProgress, .ringDetach, .ringActivity, .delivery, .malformed: true
        default: false
        }
    }
}

extension String {
    /// As much as fits into a page besides what else is there, with a sign that there was more.
    fileprivate func cut(_ bytes: Int) -> String {
        utf8.count <= bytes ? self : String(decoding: utf8.prefix(bytes - 3), as: UTF8.self) + "…"
    }
}
