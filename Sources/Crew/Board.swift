// SPDX-License-Identifier: Apache-2.0

// Where jobs hang between the caller and the threads: a ring of places, first the products that were not taken
// out, then what is being done, then what nobody has begun. One lock guards it; it is held while a job or a
// product is moved, never while one is made.

/// Jobs in order, each with its place until its product is taken out. Who works takes the oldest job that nobody
/// has begun, since that is wanted first.
@safe final class Board<Job: ~Copyable & Sendable, Product: ~Copyable & Sendable>: @unchecked Sendable {
    private enum Place: ~Copyable {
        case empty
        case job(Job)
        case begun
        case product(Product)
    }

    private let work: @Sendable (consuming Job) -> Product
    private let monitor = Monitor()
    private let capacity: Int

    // What follows is guarded by the monitor. A place always holds something, if only that it is empty.
    private let places: UnsafeMutablePointer<Place>
    /// Numbers of the next product to take out, the next job to begin, and the next to hand in.
    private var (taken, begun, added) = (0, 0, 0)
    private var isEnding = false

    /// Room for `capacity` jobs.
    init(capacity: Int, work: @escaping @Sendable (consuming Job) -> Product) {
        (self.capacity, self.work) = (capacity, work)
        unsafe places = .allocate(capacity: capacity)
        for place in 0..<capacity { unsafe (places + place).initialize(to: .empty) }
    }

    // Threads hold the board, so none of them is left.
    deinit { unsafe places.deinitialize(count: capacity).deallocate() }

    /// Hands in a job, for which there must be room.
    /// - Returns: how many are under way, and how many of them nobody has begun.
    func add(_ job: consuming Job) -> (underWay: Int, unbegun: Int) {
        monitor.lock()
        defer { monitor.unlock() }
        precondition(added - taken < capacity, "a job was handed in where there is no room for it")
        _ = exchange(added, for: .job(job))
        added += 1
        monitor.wake(.threads)
        return (added - taken, added - begun)
    }

    /// Takes out the oldest product, working until it is there; nil when no job is under way.
    func next() -> Product? {
        monitor.lock()
        defer { monitor.unlock() }
        while taken < added {
            if isMade(taken), case .product(let product) = exchange(taken, for: .empty) {
                taken += 1
                return product
            }
            if !workOnce() { monitor.wait(in: .caller) }
        }
        return nil
    }

    /// What a thread does, until `end`.
    func workUntilEnd() {
        monitor.lock()
        defer { monitor.unlock() }
        while !isEnding {
            if !workOnce() { monitor.wait(in: .threads) }
        }
    }

    /// No job is begun any more.
    func end() {
        monitor.lock()
        defer { monitor.unlock() }
        isEnding = true
        monitor.wakeAll(.threads)
    }

    /// Does a job, without the lock that it is called with; false when all are begun.
    private func workOnce() -> Bool {
        let number = begun
        guard number < added, case .job(let job) = exchange(number, for: .begun) else { return false }
        begun += 1
        monitor.unlock()
        let product = work(job)
        monitor.lock()
        _ = exchange(number, for: .product(product))
        if number == taken { monitor.wake(.caller) }
        return true
    }

    private func isMade(_ number: Int) -> Bool {
        // Within the places, which all hold something.
        switch unsafe places[number % capacity] {
        case .product: true
        default: false
        }
    }

    /// Puts something into a place and takes out what was there. Nothing is copied on its way, so whoever works
    /// on a job is the only one to refer to it.
    private func exchange(_ number: Int, for next: consuming Place) -> Place {
        // Within the places, which all hold something.
        let place = unsafe places + number % capacity
        let before = unsafe place.move()
        unsafe place.initialize(to: next)
        return before
    }
}
