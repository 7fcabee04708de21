// SPDX-License-Identifier: Apache-2.0

// Ordered work on several cores. The caller hands in jobs and takes out their products in the same order; what
// lies between is done by threads, and by the caller itself where it would have to wait otherwise: so two cores
// are both busy however the work divides, and no job is left waiting for a thread that does not come. Without
// threads the same code does everything in place. A fixed number of jobs is under way, so memory is flat.

/// Threads that do jobs for the one caller that they belong to. They are started when more than one job waits,
/// and end with the crew.
public struct Crew<Job: ~Copyable & Sendable, Product: ~Copyable & Sendable>: ~Copyable, Sendable {
    private let board: Board<Job, Product>
    /// Jobs under way, from `add` until the product is taken out.
    private let limit: Int
    private let mostThreads: Int
    private var threads: [Thread] = []

    /// At most `threads` threads besides the caller's, and none if that is 0. `work` runs on any of them, several
    /// at once, and must not wait for a later job.
    public init(threads: Int, work: @escaping @Sendable (consuming Job) -> Product) {
        mostThreads = max(0, threads)
        // For each thread the job that it does and two that are there when it is done, since the caller hands in
        // no further one while it does a job itself.
        limit = 3 * mostThreads
        board = Board(capacity: limit + 1, work: work)
    }

    // Jobs that nobody has begun are dropped; those that are being done are waited for.
    deinit {
        board.end()
        for thread in threads { thread.join() }
    }

    /// Hands in the next job. Where as many as may be are under way already it also takes out the oldest product,
    /// as `next` does; without threads that is the product of this job.
    public mutating func add(_ job: consuming Job) -> Product? {
        let jobs = board.add(job)
        // Where no thread can be had, the caller does its jobs.
        if jobs.unbegun > 1, threads.count < mostThreads,
            let thread = Thread(running: { [board] in board.workUntilEnd() })
        {
            threads.append(thread)
        }
        return jobs.underWay > limit ? board.next() : nil
    }

    /// Takes out the product of the oldest job; nil when none is under way. Until it is there the caller does
    /// jobs that nobody has begun.
    public mutating func next() -> Product? { board.next() }
}
