// SPDX-License-Identifier: Apache-2.0

// Writes a run as a directory in the Common Trace Format 1.8. Records collect in one packet, which is written to the
// file when it is full or half a second old: in one write that stays within one page of the file, because the kernel
// does such a write whole or not at all, even when the process is killed meanwhile. Records are in the order of arrival,
// because the same events in the same order give the same findings. A record's time stamp never decreases; its own time
// is one of its fields.

public import Events
internal import System

/// How large a recording may become.
public struct RecordingLimits: Sendable {
    /// Bytes of all files together; nil for no limit.
    public var maxBytes: UInt64?
    /// At the limit the oldest file is removed; otherwise the recording ends there.
    public var rotates = false

    /// The smallest useful limit.
    public static let smallest: UInt64 = 1 << 20

    public init(maxBytes: UInt64? = nil, rotates: Bool = false) {
        (self.maxBytes, self.rotates) = (maxBytes, rotates)
    }
}

/// Why a recording cannot be made or continued. One line for the user.
public struct RecordingError: Error, Sendable, Equatable {
    public var message: String
    /// The path cannot be used, so nothing was made.
    public var isUsage: Bool
}

/// A recording that is being made. What is written stays readable whatever happens to the process.
@safe public final class RecordingWriter {
    /// No packet crosses a multiple of this in its file. generic_perform_write() and similar functions copy page by
    /// page and check for a fatal signal in between. Also right where the kernel's pages are larger.
    private static let pageBytes = 4096
    /// A page with less room than this is filled with zeros. Every record without text fits into it.
    private static let smallestPacket = 512
    /// After this time a packet is written although it is not full.
    private static let patience = Duration.milliseconds(450)
    /// Room below the limit for the records that end a recording.
    private static let reserve: UInt64 = 64 << 10
    /// With rotation, a file is this fraction of the limit.
    private static let filesInRotation: UInt64 = 8
    /// Names repeated in each new file: those of the most recent files and control groups.
    private static let namesKept = 1024

    public let directory: String
    /// Records in all packets that were written.
    public private(set) var recordsWritten: UInt64 = 0
    public private(set) var bytesWritten: UInt64 = 0
    /// Only the records that end the recording are accepted.
    public private(set) var hasReachedLimit = false

    private let limits: RecordingLimits
    private let clock = ContinuousClock()
    private let page: UnsafeMutableRawPointer
    /// Memory of this object's own, because every record uses it: a property would be checked for exclusive access each
    /// time. Nothing that the packet calls uses this object.
    private let packetPlace: UnsafeMutablePointer<PacketBuffer>
    private var head: PacketHead
    private var packetBegan: ContinuousClock.Instant?
    private var file: NewFile?
    private var metadataBytes: UInt64 = 0
    /// Files before the current one, oldest first, with their sizes.
    private var older: [(path: String, size: UInt64)] = []
    private var filesMade = 0
    private var names = Names(limit: namesKept)
    /// Names that arrived since the last event; they get the time of the next one.
    private var waiting: [Name] = []
    private var isBroken = false
    /// Why, until it was reported.
    private var failure: RecordingError?
    /// Names are being repeated in a new file, which must not count as full by that.
    private var isRepeatingNames = false

    /// Makes the directory. It must not exist.
    public init(directory: String, limits: RecordingLimits = RecordingLimits()) throws(RecordingError) {
        do throws(SystemError) {
            try Files.makeDirectory(directory)
        } catch {
            throw RecordingError(
                message: error.isExisting
                    ? "cannot create the recording \(directory): it exists, and is not overwritten; remove it or choose another path"
                    : "cannot make the recording \(directory): \(error.text); expected a new directory in one that can be written to",
                isUsage: true)
        }
        self.directory = directory
        self.limits = limits
        head = PacketHead(trace: .random())
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

    /// Removes what `init` made, as long as nothing was recorded.
    public func abandon() {
        if filesMade == 0 { Files.removeDirectory(directory) }
    }

    // MARK: Recording

    /// Writes the metadata. Until then nothing can be recorded.
    public func begin(_ run: RunInfo) throws(RecordingError) {
        if let id = run.id { head.trace = id }
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
        if let failure = failure.take() { throw failure }
    }

    /// Records events in order. At the limit, and after a failure, they are ignored.
    public func append(_ events: [Event]) throws(RecordingError) {
        var sink = self
        for event in events { sink.take(event) }
        try endBatch()
    }

    /// To be called regularly, and after the last event: writes a packet that is old enough.
    /// - Throws: what failed since the last call; the recording has then ended.
    public func endBatch() throws(RecordingError) {
        recordNames(at: packet.lastStamp)
        if let began = packetBegan, clock.now - began >= Self.patience { flush() }
        if let failure = failure.take() { throw failure }
    }

    /// Writes what is left and waits until it is on the disk.
    public func finish() throws(RecordingError) {
        flush()
        if !isBroken {
            do throws(SystemError) { try file?.sync() } catch { fail(error) }
        }
        if let failure = failure.take() { throw failure }
    }

    private func recordNames(at time: UInt64) {
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
        case .callPath(let id): put(.callPath, CallPathName(id: id, functions: name.text.cut(3600)), at: time)
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

    /// Writes the packet. With `fillsPage` the next one starts in a new page.
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

    /// Starts a packet in what is left of the file's last page.
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
        guard let limit = limits.maxBytes, !isRepeatingNames else { return }
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
        repeatNames(bytes: Int(limit / Self.filesInRotation / 4))
    }

    /// Repeats the youngest names in a new file, in at most `bytes` bytes of it.
    private func repeatNames(bytes: Int) {
        isRepeatingNames = true
        defer { isRepeatingNames = false }
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
        let kept =
            "\(counted(recordsWritten, "event")) \(noun(recordsWritten, "is in it and stays", "are in it and stay")) readable"
        failure = RecordingError(
            message: reason.isNoRoom
                ? "the recording \(directory) ends: \(reason.text); \(kept)"
                : "cannot write to the recording \(directory): \(reason.text); \(kept)",
            isUsage: false)
    }
}

/// Records events without copying them. A failure is thrown by the next `endBatch`.
extension RecordingWriter: EventSink {
    public func take(_ lookup: Lookup, isProgress: Bool) {
        // The fast path: most events of a busy run are lookups.
        if packet.isOpen, packet.put(isProgress ? .progress : .lookup, lookup, at: lookup.time) { return }
        take(isProgress ? .progress : .lookup, lookup, at: lookup.time)
    }

    public func take(_ detach: Detach) { take(.detach, detach, at: detach.time) }

    public func take(_ activity: Activity) { take(.activity, activity, at: activity.time) }

    /// A function of its own, so that the fast path stays small.
    @inline(never)
    private func take(_ kind: RecordKind, _ fields: some FieldList, at time: UInt64) {
        if hasReachedLimit { return }
        recordNames(at: time)
        put(kind, fields, at: time)
    }

    public func take(_ name: Name) {
        if isBroken || hasReachedLimit { return }
        waiting.append(name)
        packet.isOpen = false
    }

    public func take(_ loss: Loss) {
        recordNames(at: loss.time)
        if loss.stage.discardsEvents { head.eventsDiscarded &+= loss.count }
        put(.lost, loss, at: loss.time)
    }

    public func take(_ totals: Totals) {
        recordNames(at: totals.time)
        for kind in ActivityKind.allCases {
            guard let counted = totals.activities[kind] else { continue }
            put(.activityTotals, OneActivity(kind: kind, totals: counted), at: totals.time)
        }
        put(.totals, totals, at: totals.time)
    }
}

extension String {
    /// At most `bytes` bytes, with an ellipsis where something was cut.
    fileprivate func cut(_ bytes: Int) -> String {
        utf8.count <= bytes ? self : String(decoding: utf8.prefix(bytes - 3), as: UTF8.self) + "…"
    }
}
