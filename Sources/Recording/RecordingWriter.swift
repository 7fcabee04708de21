// SPDX-License-Identifier: Apache-2.0

// Writes a run as a directory in the Common Trace Format 1.8. Records collect in one packet, which goes to
// the file when it is full or half a second old: in one write that stays within one page of the file, since
// that is what the kernel does whole or not at all, even when the process is killed meanwhile. The order is
// that of arrival, since the same events in the same order give the same findings; a record's time stamp
// never goes back, and its own time stands in its fields.

public import Events
internal import System

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
    private let page: UnsafeMutableRawPointer
    /// Memory of this object's own: every record asks it, and whether somebody else asks it at that moment would be
    /// asked of a property each time. Nothing that it calls comes back to this object.
    private let packetPlace: UnsafeMutablePointer<PacketBuffer>
    private var head: PacketHead
    private var packetBegan: ContinuousClock.Instant?
    private var file: NewFile?
    private var metadataBytes: UInt64 = 0
    /// Files before the current one, oldest first, with their sizes.
    private var older: [(path: String, size: UInt64)] = []
    private var filesMade = 0
    private var names = Names(limit: namesKept)
    /// Names that were told since the last event, to whose time they belong.
    private var waiting: [Name] = []
    private var isBroken = false
    /// Why, until somebody was told.
    private var failure: RecordingFailure?
    /// Names are on their way into a new file, which is not full by that.
    private var isTellingAgain = false

    /// Makes the directory. It must not exist.
    public convenience init(
        directory: String, limits: RecordingLimits = RecordingLimits()
    ) throws(RecordingFailure) {
        try self.init(directory: directory, limits: limits, trace: .random())
    }

    /// The same with a UUID that is given.
    init(directory: String, limits: RecordingLimits, trace: TraceID) throws(RecordingFailure) {
        do throws(SystemError) {
            try Files.makeDirectory(directory)
        } catch {
            throw RecordingFailure(
                message: error.isExisting
                    ? "cannot create the recording \(directory): it exists, and is not overwritten; remove it or choose another path"
                    : "cannot make the recording \(directory): \(error.text); expected a new directory in one that can be written to",
                isUsage: true)
        }
        self.directory = directory
        self.limits = limits
        head = PacketHead(trace: trace)
        unsafe page = .allocate(byteCount: Self.pageBytes, alignment: 64)
        unsafe packetPlace = .allocate(capacity: 1)
        unsafe packetPlace.initialize(to: PacketBuffer(page, bytes: Self.pageBytes))
    }

    deinit {
        unsafe packetPlace.deallocate()
        unsafe page.deallocate()
    }

    private var packet: PacketBuffer {
        // Initialized, and there for as long as this object is.
        _read { yield unsafe packetPlace.pointee }
        _modify { yield unsafe &packetPlace.pointee }
    }

    /// Takes back what `init` made, as long as nothing was begun.
    public func abandon() {
        if filesMade == 0 { Files.removeDirectory(directory) }
    }

    // MARK: Recording

    /// Writes the metadata. Until then nothing can be recorded.
    public func begin(_ run: RunInfo) throws(RecordingFailure) {
        let text = Metadata(trace: head.trace, run: run).text
        do throws(SystemError) {
            let metadata = try NewFile(directory + "/metadata")
            try metadata.append(text)
            metadataBytes = metadata.size
            bytesWritten = metadata.size
            try nextFile()
        } catch {
            fail(error)
        }
        if let told = failure.take() { throw told }
    }

    /// Records events in order. At the limit, and after a failure, they are passed over.
    public func append(_ events: [Event]) throws(RecordingFailure) {
        var sink = self
        for event in events { sink.take(event) }
        try endBatch()
    }

    /// To be called now and then, and after the last event: what is old enough is written.
    /// - Throws: what went wrong since the last call; the recording has ended then.
    public func endBatch() throws(RecordingFailure) {
        tellNames(at: packet.lastStamp)
        if let began = packetBegan, clock.now - began >= Self.patience { flush() }
        if let told = failure.take() { throw told }
    }

    /// Writes what is left and waits until the disk has it.
    public func finish() throws(RecordingFailure) {
        flush()
        if !isBroken {
            do throws(SystemError) { try file?.sync() } catch { fail(error) }
        }
        if let told = failure.take() { throw told }
    }

    private func tellNames(at time: UInt64) {
        if waiting.isEmpty { return }
        for name in waiting {
            names.learn(name)
            record(name, at: time)
        }
        waiting.removeAll(keepingCapacity: true)
        packet.isOpen = packet.records > 0 && !isBroken && !hasReachedLimit
    }

    private func record(_ name: Name, at time: UInt64) {
        switch name.subject {
        case .file(let file):
            let record = FileName(
                file: file, path: name.text.cut(3600), fileSystem: name.detail.cut(200), state: name.fileState)
            put(.file, record, at: time)
        case .cgroup(let id): put(.cgroup, CgroupName(id: id, path: name.text.cut(3600)), at: time)
        }
    }

    // MARK: Packets

    /// Stores one record, in a new packet where it does not fit into this one.
    private func put(_ kind: RecordKind, _ fields: some FieldList, at time: UInt64) {
        if isBroken || file == nil { return }
        while !packet.put(kind, fields, at: time) {
            // Every record fits into an empty page: text is cut.
            flush(fillsPage: true)
            if isBroken { return }
        }
        if packet.records == 1 { packetBegan = clock.now }
        packet.isOpen = waiting.isEmpty && !hasReachedLimit
    }

    /// Writes the packet. With `fillsPage` the next one has a whole page to itself.
    private func flush(fillsPage: Bool = false) {
        guard packet.records > 0 || fillsPage, !isBroken, let current = file else { return }
        head.recordsBefore = recordsWritten
        do throws(SystemError) {
            // Of the page that is this object's.
            unsafe try current.append(
                packet.finished(&head, fillsPage: fillsPage, smallest: Self.smallestPacket))
        } catch {
            return fail(error)
        }
        bytesWritten += UInt64(head.byteCount)
        recordsWritten += packet.records
        head.sequenceNumber += 1
        packetBegan = nil
        beginPacket()
        observeLimits(current)
    }

    /// Begins a packet in what is left of the file's last page.
    private func beginPacket() {
        packet.clear(room: Self.pageBytes - Int((file?.size ?? 0) % UInt64(Self.pageBytes)))
    }

    // MARK: Files

    private func nextFile() throws(SystemError) {
        if let file { older.append((file.path, file.size)) }
        filesMade += 1
        let number = String(filesMade)
        file = try NewFile(
            directory + "/stream_" + String(repeating: "0", count: max(0, 6 - number.utf8.count)) + number)
        beginPacket()
    }

    private func observeLimits(_ current: NewFile) {
        guard let limit = limits.maxBytes, !isTellingAgain else { return }
        guard limits.rotates else {
            if bytesWritten + Self.reserve > limit { hasReachedLimit = true }
            return
        }
        guard current.size + UInt64(Self.pageBytes) > limit / Self.filesInRotation else { return }
        do throws(SystemError) { try nextFile() } catch { return fail(error) }
        while let oldest = older.first,
            metadataBytes + older.reduce(0, { $0 + $1.size }) + limit / Self.filesInRotation > limit
        {
            Files.remove(oldest.path)
            older.removeFirst()
        }
        tellAgain(bytes: Int(limit / Self.filesInRotation / 4))
    }

    /// Tells the youngest names to a new file, in no more than so many bytes of it.
    private func tellAgain(bytes: Int) {
        isTellingAgain = true
        defer { isTellingAgain = false }
        var left = bytes
        for name in names.all.reversed() {
            left -= name.text.utf8.count + name.detail.utf8.count + PacketHead.size
            if left < 0 { break }
            record(name, at: packet.lastStamp)
        }
    }

    /// The recording ends here.
    private func fail(_ reason: SystemError) {
        isBroken = true
        packet.isOpen = false
        let kept = "\(recordsWritten) events are in it and stay readable"
        failure = RecordingFailure(
            message: reason.isNoRoom
                ? "the recording \(directory) ends: \(reason.text); \(kept)"
                : "cannot write to the recording \(directory): \(reason.text); \(kept)",
            isUsage: false)
    }
}

/// Records events where they lie. What goes wrong is told by the next `endBatch`.
extension RecordingWriter: EventSink {
    public func take(_ lookup: Lookup, isProgress: Bool) {
        // What a storm consists of.
        if packet.isOpen, packet.put(isProgress ? .progress : .lookup, lookup, at: lookup.time) { return }
        take(isProgress ? .progress : .lookup, lookup, at: lookup.time)
    }

    public func take(_ detach: Detach) { take(.detach, detach, at: detach.time) }

    public func take(_ activity: Activity) { take(.activity, activity, at: activity.time) }

    /// Apart, so that the way of a storm has no room to make for this one.
    @inline(never)
    private func take(_ kind: RecordKind, _ fields: some FieldList, at time: UInt64) {
        if hasReachedLimit { return }
        tellNames(at: time)
        put(kind, fields, at: time)
    }

    public func take(_ name: Name) {
        if isBroken || hasReachedLimit { return }
        waiting.append(name)
        packet.isOpen = false
    }

    public func take(_ loss: Loss) {
        tellNames(at: loss.time)
        if loss.stage.isOfEvents { head.eventsDiscarded &+= loss.count }
        put(.lost, loss, at: loss.time)
    }

    public func take(_ totals: Totals) {
        tellNames(at: totals.time)
        for kind in ActivityKind.allCases {
            guard let counted = totals.activities[kind] else { continue }
            put(.activityTotals, OneActivity(kind: kind, totals: counted), at: totals.time)
        }
        put(.totals, totals, at: totals.time)
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
