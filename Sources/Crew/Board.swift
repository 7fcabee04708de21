// Where jobs hang between the caller and the threads: a ring of places, first the products that were not taken
// out, then what is being done, then what nobody has begun. One lock guards it; it is held while a job or a
// product is moved, never while one is made.

/// Jobs in order, each with its place until its product is taken out. Who works takes the oldest job that nobody
/// has begun, since that is wanted first.
@safe final class Board<Job: Sendable, Product: Sendable>: @unchecked Sendable {
    private enum Place {
        case empty
        case job(Job)
        case begun
        case product(Product)
    }

    private let work: @Sendable (Job) -> Product
    private let monitor = Monitor()

    // What follows is guarded by the monitor.
    private var places: [Place]
    /// Numbers of the next product to take out, the next job to begin, and the next to hand in.
    private var (taken, begun, added) = (0, 0, 0)
    private var isEnding = false

    /// Room for `capacity` jobs.
    init(capacity: Int, work: @escaping @Sendable (Job) -> Product) {
        places = Array(repeating: .empty, count: capacity)
        self.work = work
    }

    /// Hands in a job, for which there must be room.
    /// - Returns: how many are under way, and how many of them nobody has begun.
    func add(_ job: consuming Job) -> (underWay: Int, unbegun: Int) {
        monitor.lock()
        defer { monitor.unlock() }
        precondition(added - taken < places.count, "a job was handed in where there is no room for it")
        self[added] = .job(job)
        added += 1
        monitor.wake(.threads)
        return (added - taken, added - begun)
    }

    /// Takes out the oldest product, working until it is there; nil when no job is under way.
    func next() -> Product? {
        monitor.lock()
        defer { monitor.unlock() }
        while taken < added {
            if case .product(let product) = self[taken] {
                self[taken] = .empty
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
        guard begun < added, case .job(let job) = self[begun] else { return false }
        let number = begun
        self[number] = .begun
        begun += 1
        monitor.unlock()
        let product = work(job)
        monitor.lock()
        self[number] = .product(product)
        if number == taken { monitor.wake(.caller) }
        return true
    }

    private subscript(number: Int) -> Place {
        get { places[number % places.count] }
        set { places[number % places.count] = newValue }
    }
}
