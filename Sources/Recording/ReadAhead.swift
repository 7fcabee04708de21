// Reading on while what was read before is being understood: on a thread of its own where there is another processor
// for it and enough to read, else on the spot. Runs of packets come in the order of the file and the same either way.
// A few buffers go round between the two threads, and whoever has nothing to do sleeps.

import Glibc
import Synchronization

/// The runs of packets from one place on, and then from the next place.
@safe final class ReadAhead {
    private let worker: ReadWorker
    private var thread: pthread_t?
    /// What the caller holds goes back with the next call.
    private var holdsRun = false

    /// Whether a thread is worth its start, for files of so many bytes in all.
    static func pays(for bytes: UInt64) -> Bool { bytes >= 8 << 20 && sysconf(Int32(_SC_NPROCESSORS_ONLN)) > 1 }

    init(onThread: Bool) {
        // On the spot, one buffer stays in the processor's cache.
        worker = ReadWorker(runs: onThread ? 4 : 1)
        guard onThread else { return }
        // The thread holds its own reference to the worker until it ends.
        let context = unsafe Unmanaged.passRetained(worker)
        var thread = pthread_t()
        let code = unsafe pthread_create(
            &thread, nil,
            { context in
                unsafe Unmanaged<ReadWorker>.fromOpaque(context!).takeRetainedValue().run()
                return nil
            }, context.toOpaque())
        // Without it everything is read on the spot.
        if code == 0 { self.thread = thread } else { unsafe context.release() }
    }

    deinit {
        guard let thread else { return }
        worker.stop()
        pthread_join(thread, nil)
    }

    /// Goes to a place: the first, or another one after a run without packets.
    func start(_ place: ReadPlace) { worker.start(place) }

    /// The next run from there on, valid until the next call. One without packets is the last.
    func next() -> PacketRun {
        if holdsRun { worker.giveBack() }
        holdsRun = true
        if thread == nil { worker.readOne() }
        return worker.take()
    }
}

/// Where to read on.
struct ReadPlace: Sendable {
    var file: ReadFile
    var trace: TraceID
    var offset: UInt64
    /// A packet begins before it.
    var end: UInt64
}

/// What runs on the thread. A run belongs to the thread from `free` to `full` and to the reader from there on, and
/// `place` to the thread from `started` to a run without packets.
@safe private final class ReadWorker: @unchecked Sendable {
    private let runs: [PacketRun]
    private let free: Semaphore
    private let full = Semaphore(0)
    private let started = Semaphore(0)
    private let isStopping = Atomic<Bool>(false)
    private var place: ReadPlace?
    private var runsRead = 0
    private var runsTaken = 0

    init(runs count: Int) {
        runs = (0..<count).map { _ in PacketRun() }
        free = Semaphore(UInt32(count))
    }

    /// On the thread.
    func run() {
        while true {
            started.wait()
            while !isStopping.load(ordering: .acquiring), readOne() {}
            if isStopping.load(ordering: .acquiring) { return }
        }
    }

    /// Reads a run as soon as there is a free one; false when it was the last from this place.
    @discardableResult
    func readOne() -> Bool {
        free.wait()
        guard let place else { return false }
        let run = runs[runsRead % runs.count]
        run.load(place)
        self.place?.offset += UInt64(run.byteCount)
        runsRead += 1
        let isLast = run.heads.isEmpty
        full.post()
        return !isLast
    }

    func start(_ place: ReadPlace) {
        self.place = place
        started.post()
    }

    func take() -> PacketRun {
        full.wait()
        defer { runsTaken += 1 }
        return runs[runsTaken % runs.count]
    }

    func giveBack() { free.post() }

    func stop() {
        isStopping.store(true, ordering: .releasing)
        free.post()
        started.post()
    }
}

/// The C library's, which has to stay where it is.
@safe private final class Semaphore {
    private let place = UnsafeMutablePointer<sem_t>.allocate(capacity: 1)

    init(_ count: UInt32) {
        // Fails for no number as small as these.
        unsafe sem_init(place, 0, count)
    }

    deinit {
        unsafe sem_destroy(place)
        unsafe place.deallocate()
    }

    /// Sleeps until there is one to take.
    func wait() { while unsafe sem_wait(place) != 0 {} }

    func post() { unsafe sem_post(place) }
}
