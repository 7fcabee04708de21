// SPDX-License-Identifier: Apache-2.0

// The thread that drains the ring buffer: it copies records into batches, and gives these to the consumer in a bounded
// queue. When the consumer is slow, the queue fills and this thread waits. Then the ring buffer fills too, and the BPF
// programs count the records that have no room. Nothing is decoded or written here.
//
// The kernel wakes this thread when a record is added to an empty ring. In a storm that would happen for each record.
// So the thread takes a single record immediately, but then it sleeps for some milliseconds, unless the ring was rather
// full, and takes all records at once. While the queue is not empty the batch grows, so the queue holds full batches.
//
// A record goes to the spare ring if the lock of the first ring is taken at that moment. It may refer to an older
// record in the first ring. So records of the spare ring wait until the first ring was emptied once more.

import CLibbpf
import CRecords
import Events
import Glibc
import Synchronization
import System

/// The drain thread. When `descriptor` is readable, `takeAll` returns the batches that wait. After the programs are
/// detached, call `stop`, and then `takeAll` once more for the rest.
@safe final class RingDrain {
    private let worker: DrainWorker
    private let thread: Thread

    /// Starts the thread. `map` and `spare` are the descriptors of both rings of a loaded object, and `bytes` is the
    /// size of the first one.
    /// - Throws: `CaptureError` if the rings cannot be opened or the thread cannot be started.
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

    /// Takes back the memory of a batch that the consumer has finished.
    func giveBack(_ batch: RecordBatch) { worker.giveBack(batch) }

    /// Drains the remaining records and ends the thread. It does not wait for the consumer.
    func stop() {
        worker.finish()
        thread.join()
    }

    /// Number of times that the thread has examined the rings.
    var turns: UInt64 { worker.turns.load(ordering: .relaxed) }

    /// Number of records that came through both rings, by `enum fs_record_kind`. Unknown kinds are at index 0. Valid
    /// after `stop`.
    var delivered: [UInt64] { worker.delivered }

    fileprivate static let kinds = Int(FS_RECORD_KINDS.rawValue)
}

/// Whole records from a ring, one after the other. It belongs to one thread at a time.
@safe final class RecordBatch: @unchecked Sendable {
    /// A batch with this number of bytes or more is full.
    fileprivate static let fullBytes = 256 << 10
    /// Bytes of the largest record.
    private static let largestRecord = NamedFile.recordBytes

    private let bytes = UnsafeMutableRawBufferPointer.allocate(byteCount: fullBytes + largestRecord, alignment: 16)
    fileprivate var count = 0

    fileprivate init() {}

    deinit { unsafe bytes.deallocate() }

    /// Its records. Valid until the batch is changed or deallocated.
    var records: UnsafeRawBufferPointer { unsafe UnsafeRawBufferPointer(rebasing: bytes[..<count]) }

    fileprivate var isFull: Bool { count >= Self.fullBytes }
    fileprivate var room: UnsafeMutableRawBufferPointer {
        unsafe UnsafeMutableRawBufferPointer(rebasing: bytes[count...])
    }

    /// Moves all records of `other` to the end, if there is room for all.
    /// - Returns: The number of moved bytes.
    fileprivate func take(allOf other: RecordBatch) -> Int {
        let (moved, room) = unsafe (other.records, room)
        guard moved.count <= room.count else { return 0 }
        unsafe room.copyMemory(from: moved)
        count += moved.count
        other.count = 0
        return moved.count
    }
}

/// The batch as the callback of a ring sees it, which runs for each record. It is a structure in plain memory, because
/// each access to a field of an object costs a check, and a storm has hundreds of thousands of records a second.
@safe private struct Filling {
    var next: UnsafeMutableRawPointer
    /// Bytes until the batch is full, and bytes of room in it.
    var wanted: Int
    var left: Int
    let delivered: UnsafeMutablePointer<UInt64>

    /// Copies one record from the ring. Its result ends libbpf's loop over the ring when the batch is full.
    mutating func take(_ record: UnsafeRawPointer, count: Int) -> Int32 {
        // No record of the programs is larger than the room. One that is would not be counted here, and so be a loss.
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

/// The work of the thread. `queue` is shared and guarded. `batch`, `filling` and `counts` belong to the thread until it
/// has ended.
@safe private final class DrainWorker: @unchecked Sendable {
    /// The largest number of batches that wait for the consumer.
    private static let queueLimit = 64
    /// The largest number of empty batches that are kept for further records.
    private static let spareLimit = 4
    /// The longest wait without records. The kernel wakes the thread for a record, and `finish` wakes it for the end.
    private static let pollMs: Int32 = 1000
    /// The sleep after a record. If no other one comes in that time, the batch is given to the consumer.
    private static let sleepMs: Int32 = 2
    /// If more than this part of the ring (one sixteenth) was taken, the thread does not sleep.
    private static let fullness = 16
    /// The number of times that `take` may stop at a record of the first ring which is not committed yet. After that,
    /// the held records no longer wait for it.
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
    /// Records of the spare ring, until all records that were in the first ring at that time have been taken.
    private var held = RecordBatch()
    /// Since `held` was filled: bytes taken from the first ring, and how often `take` has read it to a record that was
    /// not committed.
    private var heldSince = (bytes: 0, looks: 0)
    private let counts: UnsafeMutablePointer<UInt64>
    private let filling: UnsafeMutablePointer<Filling>

    init(map: Int32, ringBytes: Int, spare: Int32) throws(CaptureError) {
        (self.map, self.ringBytes) = (map, ringBytes)
        batchReady = eventfd(0, Int32(EFD_CLOEXEC | EFD_NONBLOCK))
        room = eventfd(0, Int32(EFD_CLOEXEC | EFD_NONBLOCK))
        end = eventfd(0, Int32(EFD_CLOEXEC | EFD_NONBLOCK))
        // Freed in deinit after the rings, so this memory outlives every callback.
        unsafe counts = .allocate(capacity: RingDrain.kinds)
        unsafe counts.initialize(repeating: 0, count: RingDrain.kinds)
        unsafe filling = .allocate(capacity: 1)
        unsafe (ring, spareRing) = (nil, nil)
        guard batchReady >= 0, room >= 0, end >= 0 else { throw .system("make an event descriptor", errno: errno) }
        unsafe ring = unsafe open(map)
        unsafe spareRing = unsafe open(spare)
        guard unsafe ring != nil, unsafe spareRing != nil else { throw .system("open the ring buffer", errno: errno) }
    }

    /// Opens a reader of one ring, whose callback writes to `filling`. Nil if libbpf refuses it.
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
            // A record that is not committed yet keeps the ring readable, so the thread sleeps also after an empty
            // turn.
            if ready > 0, !waits[1].isReady, taken < min(ringBytes / Self.fullness, RecordBatch.fullBytes) {
                usleep(useconds_t(Self.sleepMs) * 1000)
            }
        }
        // The programs are detached, so no records are added any more.
        while take() > 0 || batch.count + held.count > 0 {
            handOver(waitsForRoom: false)
        }
    }

    /// Moves records of the first ring into the batch until that is full. Then moves the held records, if they need not
    /// wait any longer, and holds those of the spare ring in their place.
    /// - Returns: The number of bytes that were added to the batch.
    private func take() -> Int {
        // As many bytes as the first ring has were taken since then, so all its records of that time are among them. If
        // the batch has no room, the next turn tries again.
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

    /// Whether the first ring has further records, committed or not. poll() on the map itself gives this at any time;
    /// the descriptor for epoll does so only after a wakeup.
    private var hasMore: Bool {
        var wait = pollfd(fd: map, events: Int16(POLLIN), revents: 0)
        return unsafe poll(&wait, 1, 0) > 0
    }

    /// Moves records of `ring` into `batch` until that is full.
    /// - Returns: The number of bytes that were added to it.
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

    /// Puts the batch into the queue, and goes on with an empty one. A full queue makes it wait, if `waitsForRoom`.
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
