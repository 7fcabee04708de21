// The ring buffer is drained on a thread of its own: it copies records into batches and hands them over
// in a bounded queue. When the consumer is slow the queue fills, this thread waits, and the ring buffer
// keeps what it can; what it cannot keep the kernel side counts. Nothing is decoded or written here.
//
// The kernel wakes this thread for a record that finds the ring drained. In a storm that would be every
// record, and a change of tasks for each; so after a record the thread naps, as long as the ring is far from
// full, and takes together what came meanwhile. Whatever comes out of the blue is taken at once.

import CLibbpf
import CRecords
import Glibc
import Synchronization

/// The drain thread. Batches wait in `takeAll` whenever `descriptor` is readable; `stop` after the
/// programs are detached, then `takeAll` once more for the rest.
@safe final class RingDrain {
    private let worker: DrainWorker
    private let thread: pthread_t

    /// Starts draining the ring of a loaded object, which holds `bytes`.
    init(map: Int32, bytes: Int) throws(CaptureError) {
        let worker = try DrainWorker(map: map, ringBytes: bytes)
        self.worker = worker
        var thread = pthread_t()
        // The thread holds its own reference to the worker until it ends.
        let context = unsafe Unmanaged.passRetained(worker)
        let code = unsafe pthread_create(
            &thread, nil,
            { context in
                let worker = unsafe Unmanaged<DrainWorker>.fromOpaque(context!).takeRetainedValue()
                worker.run()
                return nil
            }, context.toOpaque())
        guard code == 0 else {
            unsafe context.release()
            throw .system("start the thread that drains the ring buffer", errno: code)
        }
        self.thread = thread
    }

    /// Readable when a batch waits.
    var descriptor: Int32 { worker.batchReady }

    /// The batches that wait, in order.
    func takeAll() -> [[UInt8]] { worker.takeAll() }

    /// Drains what is left and ends the thread. Never blocks on the consumer.
    func stop() {
        worker.finish()
        pthread_join(thread, nil)
    }

    /// How often the thread has looked into the ring; it does so many times a second.
    var turns: UInt64 { worker.turns.load(ordering: .relaxed) }

    /// Records that came through the ring, by `enum fs_record_kind`; unknown kinds at index 0. Valid
    /// after `stop`.
    var delivered: [UInt64] { worker.delivered }
}

/// What runs on the thread. `queue` is shared and guarded; `batch` and `delivered` belong to the thread
/// until it has ended.
@safe private final class DrainWorker: @unchecked Sendable {
    private static let batchBytes = 256 << 10
    private static let queueLimit = 64
    /// Nothing waits for this to pass: the kernel wakes the thread for a record, and `finish` for the end.
    private static let pollMs: Int32 = 1000
    private static let napMicroseconds: useconds_t = 2000
    /// The ring is emptied without a nap when more than this part of it had come.
    private static let fullness = 16

    private struct Queue {
        var batches: [[UInt8]] = []
        var isFinishing = false
    }

    let batchReady: Int32
    let turns = Atomic<UInt64>(0)
    private let room: Int32
    private let end: Int32
    private let ringBytes: Int
    private let queue = Mutex(Queue())
    private var ring: OpaquePointer?
    private var batch: [UInt8] = []
    private(set) var delivered = [UInt64](repeating: 0, count: Int(FS_ACTIVITY.rawValue) + 1)

    init(map: Int32, ringBytes: Int) throws(CaptureError) {
        self.ringBytes = ringBytes
        batchReady = eventfd(0, Int32(EFD_CLOEXEC | EFD_NONBLOCK))
        room = eventfd(0, Int32(EFD_CLOEXEC | EFD_NONBLOCK))
        end = eventfd(0, Int32(EFD_CLOEXEC | EFD_NONBLOCK))
        guard batchReady >= 0, room >= 0, end >= 0 else { throw .system("make an event descriptor", errno: errno) }
        unsafe ring = nil
        // The ring is freed in deinit, so the worker outlives every callback.
        let context = unsafe Unmanaged.passUnretained(self).toOpaque()
        unsafe ring = unsafe ring_buffer__new(
            map,
            { context, data, size in
                unsafe Unmanaged<DrainWorker>.fromOpaque(context!).takeUnretainedValue()
                    .take(UnsafeRawBufferPointer(start: data, count: size))
            }, context, nil)
        guard unsafe ring != nil else { throw .system("open the ring buffer", errno: errno) }
    }

    deinit {
        if let ring = unsafe ring { unsafe ring_buffer__free(ring) }
        close(batchReady)
        close(room)
        close(end)
    }

    func run() {
        while !queue.withLock({ $0.isFinishing }) {
            var waits = unsafe [
                pollfd(fd: ring_buffer__epoll_fd(ring), events: Int16(POLLIN), revents: 0),
                pollfd(fd: end, events: Int16(POLLIN), revents: 0),
            ]
            unsafe poll(&waits, nfds_t(waits.count), Self.pollMs)
            turns.add(1, ordering: .relaxed)
            unsafe ring_buffer__consume(ring)
            let count = batch.count
            handOver(waitsForRoom: true)
            if count > 0, count < min(ringBytes / Self.fullness, Self.batchBytes) { usleep(Self.napMicroseconds) }
        }
        // The programs are detached: what is in the ring is all there will be.
        while unsafe ring_buffer__consume(ring) != 0 || !batch.isEmpty {
            handOver(waitsForRoom: false)
        }
    }

    /// One record from the ring: copied, nothing else. A full batch interrupts the ring's own loop.
    private func take(_ record: UnsafeRawBufferPointer) -> Int32 {
        var kind = 0
        if record.count >= MemoryLayout<fs_header>.size {
            kind = unsafe Int(record.loadUnaligned(as: fs_header.self).kind)
        }
        delivered[kind < delivered.count ? kind : 0] += 1
        unsafe batch.append(contentsOf: record)
        return batch.count >= Self.batchBytes ? -EAGAIN : 0
    }

    private func handOver(waitsForRoom: Bool) {
        guard !batch.isEmpty else { return }
        var isHandedOver = false
        while !isHandedOver {
            isHandedOver = queue.withLock {
                guard $0.batches.count < Self.queueLimit || !waitsForRoom || $0.isFinishing else { return false }
                $0.batches.append(batch)
                return true
            }
            if !isHandedOver { waitForRoom() }
        }
        // The next one will be about as large.
        let count = batch.count
        batch = []
        batch.reserveCapacity(count)
        eventfd_write(batchReady, 1)
    }

    private func waitForRoom() {
        var wait = pollfd(fd: room, events: Int16(POLLIN), revents: 0)
        unsafe poll(&wait, 1, Self.pollMs)
        var count: eventfd_t = 0
        unsafe eventfd_read(room, &count)
    }

    func takeAll() -> [[UInt8]] {
        var count: eventfd_t = 0
        unsafe eventfd_read(batchReady, &count)
        let batches = queue.withLock { queue in
            defer { queue.batches = [] }
            return queue.batches
        }
        eventfd_write(room, 1)
        return batches
    }

    func finish() {
        queue.withLock { $0.isFinishing = true }
        eventfd_write(end, 1)
        eventfd_write(room, 1)
    }
}
