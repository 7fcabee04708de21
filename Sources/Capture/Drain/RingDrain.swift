// SPDX-License-Identifier: Apache-2.0

// The ring buffer is drained on a thread of its own: it copies records into batches and hands them over
// in a bounded queue. When the consumer is slow, the queue fills, this thread waits, and the ring buffer
// keeps what it can; the kernel side counts what it cannot keep. Nothing is decoded or written here.
//
// The kernel wakes this thread for a record that finds the ring empty. In a storm that would be every record,
// with a change of tasks for each. So after a record the thread sleeps while the ring is far from full, and then
// takes all records at once. A single record is taken immediately. While the consumer is busy the batch grows, so
// that the queue holds full batches.
//
// There is a spare ring, for records that found the lock of the first one taken. A record in it may refer to an older
// one in the first ring. So records of the spare ring wait until the first ring has been emptied once more.

import CLibbpf
import CRecords
import Events
import Glibc
import Synchronization
import System

/// The drain thread. Batches wait in `takeAll` whenever `descriptor` is readable; `stop` after the
/// programs are detached, then `takeAll` once more for the rest.
@safe final class RingDrain {
    private let worker: DrainWorker
    private let thread: Thread

    /// Starts draining the rings of a loaded object, of which the first holds `bytes`.
    init(map: Int32, bytes: Int, spare: Int32) throws(CaptureError) {
        let worker = try DrainWorker(map: map, ringBytes: bytes, spare: spare)
        self.worker = worker
        do throws(SystemError) {
            // The thread holds its own reference to the worker until it ends.
            thread = try Thread { worker.run() }
        } catch {
            throw .system("start the thread that drains the ring buffer", errno: error.number)
        }
    }

    /// Readable when a batch waits.
    var descriptor: Int32 { worker.batchReady }

    /// The batches that wait, in order.
    func takeAll() -> [RecordBatch] { worker.takeAll() }

    /// Takes back the memory of a batch that nobody needs any more.
    func giveBack(_ batch: RecordBatch) { worker.giveBack(batch) }

    /// Drains what is left and ends the thread. Never blocks on the consumer.
    func stop() {
        worker.finish()
        thread.join()
    }

    /// How often the thread has looked into the ring; it does so many times a second.
    var turns: UInt64 { worker.turns.load(ordering: .relaxed) }

    /// Records that came through both rings, by `enum fs_record_kind`; unknown kinds at index 0. Valid
    /// after `stop`.
    var delivered: [UInt64] { worker.delivered }

    fileprivate static let kinds = Int(FS_RECORD_KINDS.rawValue)
}

/// Whole records from the ring, one after the other. It belongs to one thread at a time.
@safe final class RecordBatch: @unchecked Sendable {
    /// When it has so much it is full.
    fileprivate static let fullBytes = 256 << 10
    /// No record is larger.
    private static let largestRecord = NamedFile.recordBytes

    private let bytes = UnsafeMutableRawBufferPointer.allocate(byteCount: fullBytes + largestRecord, alignment: 16)
    fileprivate var count = 0

    fileprivate init() {}

    deinit { unsafe bytes.deallocate() }

    /// Valid as long as the batch is, and unchanged.
    var records: UnsafeRawBufferPointer { unsafe UnsafeRawBufferPointer(rebasing: bytes[..<count]) }

    fileprivate var isFull: Bool { count >= Self.fullBytes }
    fileprivate var room: UnsafeMutableRawBufferPointer {
        unsafe UnsafeMutableRawBufferPointer(rebasing: bytes[count...])
    }

    /// Moves all records of `other` to the end, if they have room.
    /// - Returns: how many bytes that were.
    fileprivate func take(allOf other: RecordBatch) -> Int {
        let (moved, room) = unsafe (other.records, room)
        guard moved.count <= room.count else { return 0 }
        unsafe room.copyMemory(from: moved)
        count += moved.count
        other.count = 0
        return moved.count
    }
}

/// Where the ring's callback, which runs for each record, puts it: plain memory, since an object is asked for each of
/// its fields, and a storm has hundreds of thousands of records a second.
@safe private struct Filling {
    var next: UnsafeMutableRawPointer
    /// Bytes until the batch is full, and of room at all.
    var wanted: Int
    var left: Int
    let delivered: UnsafeMutablePointer<UInt64>

    /// One record from the ring: copied, nothing else. A full batch interrupts the ring's own loop.
    mutating func take(_ record: UnsafeRawPointer, count: Int) -> Int32 {
        // One that does not fit is none of ours; missing in what was delivered, it is a loss.
        guard count <= left else { return 0 }
        var kind = 0
        if count >= MemoryLayout<fs_header>.size { kind = unsafe Int(record.loadUnaligned(as: fs_header.self).kind) }
        unsafe delivered[kind < RingDrain.kinds ? kind : 0] += 1
        unsafe next.copyMemory(from: record, byteCount: count)
        unsafe next += count
        left -= count
        wanted -= count
        return wanted <= 0 ? -EAGAIN : 0
    }
}

/// What runs on the thread. `queue` is shared and guarded; `batch`, `filling` and `counts` belong to the thread
/// until it has ended.
@safe private final class DrainWorker: @unchecked Sendable {
    private static let queueLimit = 64
    /// Batches kept for what comes next.
    private static let spareLimit = 4
    /// The longest sleep without records. The kernel wakes the thread for a record, and `finish` for the end.
    private static let pollMs: Int32 = 1000
    /// The sleep after a record; without another one in that time the batch is handed over.
    private static let sleepMs: Int32 = 2
    /// After more than this part of the ring, the next look follows at once.
    private static let fullness = 16
    /// Looks that stop at a record which is not committed yet, before what is held no longer waits for it.
    private static let patience = 25

    private struct Queue {
        var batches: [RecordBatch] = []
        var spare: [RecordBatch] = []
        var isFinishing = false
    }

    let batchReady: Int32
    let turns = Atomic<UInt64>(0)
    private let room: Int32
    private let end: Int32
    /// The first ring; it belongs to the loaded object, which outlives this.
    private let map: Int32
    private let ringBytes: Int
    private let queue = Mutex(Queue())
    private var ring: OpaquePointer?
    private var spareRing: OpaquePointer?
    private var batch = RecordBatch()
    /// From the spare ring, until all that was in the first ring before has been taken.
    private var held = RecordBatch()
    /// Since `held` was filled: bytes from the first ring, and looks that did not come to its end.
    private var heldSince = (bytes: 0, looks: 0)
    private let counts: UnsafeMutablePointer<UInt64>
    private let filling: UnsafeMutablePointer<Filling>

    init(map: Int32, ringBytes: Int, spare: Int32) throws(CaptureError) {
        (self.map, self.ringBytes) = (map, ringBytes)
        batchReady = eventfd(0, Int32(EFD_CLOEXEC | EFD_NONBLOCK))
        room = eventfd(0, Int32(EFD_CLOEXEC | EFD_NONBLOCK))
        end = eventfd(0, Int32(EFD_CLOEXEC | EFD_NONBLOCK))
        // Freed in deinit, as the ring is, so the worker outlives every callback.
        unsafe counts = .allocate(capacity: RingDrain.kinds)
        unsafe counts.initialize(repeating: 0, count: RingDrain.kinds)
        unsafe filling = .allocate(capacity: 1)
        unsafe (ring, spareRing) = (nil, nil)
        guard batchReady >= 0, room >= 0, end >= 0 else { throw .system("make an event descriptor", errno: errno) }
        unsafe ring = unsafe open(map)
        unsafe spareRing = unsafe open(spare)
        guard unsafe ring != nil, unsafe spareRing != nil else { throw .system("open the ring buffer", errno: errno) }
    }

    /// A reader of one ring, whose records go to `filling`.
    private func open(_ map: Int32) -> OpaquePointer? {
        unsafe ring_buffer__new(
            map,
            { context, record, size in
                guard let context = unsafe context, let record = unsafe record else { return 0 }
                return unsafe context.assumingMemoryBound(to: Filling.self).pointee.take(record, count: size)
            }, filling, nil)
    }

    deinit {
        if let ring = unsafe ring { unsafe ring_buffer__free(ring) }
        if let spareRing = unsafe spareRing { unsafe ring_buffer__free(spareRing) }
        unsafe counts.deallocate()
        unsafe filling.deallocate()
        close(batchReady)
        close(room)
        close(end)
    }

    func run() {
        while !queue.withLock({ $0.isFinishing }) {
            var waits = unsafe [
                pollfd(fd: ring_buffer__epoll_fd(ring), events: Int16(POLLIN), revents: 0),
                pollfd(fd: end, events: Int16(POLLIN), revents: 0),
                pollfd(fd: ring_buffer__epoll_fd(spareRing), events: Int16(POLLIN), revents: 0),
            ]
            let ready = unsafe poll(
                &waits, nfds_t(waits.count), batch.count + held.count > 0 ? Self.sleepMs : Self.pollMs)
            turns.add(1, ordering: .relaxed)
            let taken = take()
            if batch.isFull || ready == 0 || queue.withLock({ $0.batches.isEmpty }) { handOver(waitsForRoom: true) }
            // Also when a record that is not committed yet keeps the ring readable.
            if ready > 0, !waits[1].isReady, taken < min(ringBytes / Self.fullness, RecordBatch.fullBytes) {
                usleep(useconds_t(Self.sleepMs) * 1000)
            }
        }
        // The programs are detached: what is in the ring is all there will be.
        while take() > 0 || batch.count + held.count > 0 {
            handOver(waitsForRoom: false)
        }
    }

    /// Moves what is in the ring into the batch, until that is full, and what is held, if it may follow; then holds
    /// what is in the spare ring.
    /// - Returns: how many bytes came into the batch.
    private func take() -> Int {
        // More than the ring can have held then; the batch is a new one.
        var taken = heldSince.bytes >= ringBytes ? batch.take(allOf: held) : 0
        let fresh = unsafe take(from: ring, into: batch)
        taken += fresh
        heldSince.bytes += fresh
        if held.count > 0, !batch.isFull {
            heldSince.looks += 1
            if !hasMore || heldSince.looks >= Self.patience { taken += batch.take(allOf: held) }
        }
        if held.count == 0 {
            unsafe take(from: spareRing, into: held)
            heldSince = (0, 0)
        }
        return taken
    }

    /// Whether the first ring has new records, or one that is not committed and those behind it. The map knows, even
    /// where it wakes nobody.
    private var hasMore: Bool {
        var wait = pollfd(fd: map, events: Int16(POLLIN), revents: 0)
        return unsafe poll(&wait, 1, 0) > 0
    }

    /// - Returns: how many bytes came into `batch`.
    @discardableResult
    private func take(from ring: OpaquePointer?, into batch: RecordBatch) -> Int {
        let room = unsafe batch.room
        guard let start = room.baseAddress else { return 0 }
        unsafe filling.initialize(
            to: Filling(next: start, wanted: RecordBatch.fullBytes - batch.count, left: room.count, delivered: counts))
        unsafe ring_buffer__consume(ring)
        let taken = unsafe room.count - filling.pointee.left
        batch.count += taken
        return taken
    }

    private func handOver(waitsForRoom: Bool) {
        guard batch.count > 0 else { return }
        var next: RecordBatch?
        while next == nil {
            next = queue.withLock { queue in
                guard queue.batches.count < Self.queueLimit || !waitsForRoom || queue.isFinishing else { return nil }
                queue.batches.append(batch)
                return queue.spare.popLast() ?? RecordBatch()
            }
            if let next { batch = next } else { waitForRoom() }
        }
        eventfd_write(batchReady, 1)
    }

    private func waitForRoom() {
        var wait = pollfd(fd: room, events: Int16(POLLIN), revents: 0)
        unsafe poll(&wait, 1, Self.pollMs)
        var count: eventfd_t = 0
        unsafe eventfd_read(room, &count)
    }

    func takeAll() -> [RecordBatch] {
        var count: eventfd_t = 0
        unsafe eventfd_read(batchReady, &count)
        let batches = queue.withLock { queue in
            defer { queue.batches = [] }
            return queue.batches
        }
        eventfd_write(room, 1)
        return batches
    }

    func giveBack(_ batch: RecordBatch) {
        batch.count = 0
        queue.withLock { if $0.spare.count < Self.spareLimit { $0.spare.append(batch) } }
    }

    var delivered: [UInt64] { unsafe Array(UnsafeBufferPointer(start: counts, count: RingDrain.kinds)) }

    func finish() {
        queue.withLock { $0.isFinishing = true }
        eventfd_write(end, 1)
        eventfd_write(room, 1)
    }
}

extension pollfd {
    fileprivate var isReady: Bool { revents != 0 }
}
