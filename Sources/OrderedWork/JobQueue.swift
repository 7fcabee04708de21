// SPDX-License-Identifier: Apache-2.0

// The jobs between the caller and the threads: a ring of slots, first products that were not taken, then jobs in
// progress, then jobs that have not started. One lock guards it; it is held while a job or a product is moved, never
// while a job is done.

/// Jobs in order, each with its slot until its product is taken. A worker takes the oldest job that has not started,
/// because its product is needed first.
@safe final class JobQueue<Job: ~Copyable & Sendable, Product: ~Copyable & Sendable>: @unchecked Sendable {
    private enum Slot: ~Copyable {
        case empty
        case job(Job)
        case started
        case product(Product)
    }

    private let work: @Sendable (consuming Job) -> Product
    private let monitor = Monitor()
    private let capacity: Int

    // The monitor guards the rest. Every slot is initialized at all times.
    private let slots: UnsafeMutablePointer<Slot>
    /// Numbers of the next product to take, the next job to start, and the next job to add.
    private var (taken, started, added) = (0, 0, 0)
    private var isEnding = false

    /// Room for `capacity` jobs.
    init(capacity: Int, work: @escaping @Sendable (consuming Job) -> Product) {
        (self.capacity, self.work) = (capacity, work)
        unsafe slots = .allocate(capacity: capacity)
        for slot in 0..<capacity { unsafe (slots + slot).initialize(to: .empty) }
    }

    // Threads hold a reference to the queue, so none of them is left.
    deinit { unsafe slots.deinitialize(count: capacity).deallocate() }

    /// Adds a job, for which there must be room.
    /// - Returns: how many jobs are in the queue, and how many of them have not started.
    func add(_ job: consuming Job) -> (queued: Int, waiting: Int) {
        monitor.lock()
        defer { monitor.unlock() }
        precondition(added - taken < capacity, "a job was added to a full queue")
        _ = exchange(added, for: .job(job))
        added += 1
        monitor.wake(.thread)
        return (added - taken, added - started)
    }

    /// Takes the oldest product, and does jobs until it is there; nil when the queue is empty.
    func next() -> Product? {
        monitor.lock()
        defer { monitor.unlock() }
        while taken < added {
            if isDone(taken), case .product(let product) = exchange(taken, for: .empty) {
                taken += 1
                return product
            }
            if !workOnce() { monitor.wait(as: .caller) }
        }
        return nil
    }

    /// Does jobs until `end`; for threads.
    func workUntilEnd() {
        monitor.lock()
        defer { monitor.unlock() }
        while !isEnding {
            if !workOnce() { monitor.wait(as: .thread) }
        }
    }

    /// No further job is started by a thread.
    func end() {
        monitor.lock()
        defer { monitor.unlock() }
        isEnding = true
        monitor.wakeAll(.thread)
    }

    /// Does one job. It is called with the lock, and releases it meanwhile. False when no job waits.
    private func workOnce() -> Bool {
        let number = started
        guard number < added, case .job(let job) = exchange(number, for: .started) else { return false }
        started += 1
        monitor.unlock()
        let product = work(job)
        monitor.lock()
        _ = exchange(number, for: .product(product))
        if number == taken { monitor.wake(.caller) }
        return true
    }

    private func isDone(_ number: Int) -> Bool {
        // Within the slots, which are all initialized.
        switch unsafe slots[number % capacity] {
        case .product: true
        default: false
        }
    }

    /// Puts something into a slot and takes what was there. Nothing is copied, so the worker of a job has the only
    /// reference to it.
    private func exchange(_ number: Int, for next: consuming Slot) -> Slot {
        // Within the slots, which are all initialized.
        let slot = unsafe slots + number % capacity
        let before = unsafe slot.move()
        unsafe slot.initialize(to: next)
        return before
    }
}
