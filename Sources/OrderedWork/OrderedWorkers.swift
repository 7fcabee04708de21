// SPDX-License-Identifier: Apache-2.0

// Ordered work on several CPUs. The caller adds jobs and takes their products in the same order. Threads do the jobs, and
// so does the caller where it would have to wait: both CPUs are busy however the work divides, and no job waits for a
// thread that does not run. Without threads the same code does everything in place. The number of jobs in the queue is
// bounded, and so is the memory.

internal import System

/// Threads that do jobs for one caller. They are started when more than one job waits, and end with this value.
public struct OrderedWorkers<Job: ~Copyable & Sendable, Product: ~Copyable & Sendable>: ~Copyable, Sendable {
    private let queue: JobQueue<Job, Product>
    /// Jobs in the queue, from `add` until the product is taken.
    private let limit: Int
    private let maxThreads: Int
    private var threads: [Thread] = []

    /// At most `threads` threads besides the caller's; none if that is 0. `work` runs on any of them, several at once,
    /// and must not wait for a later job.
    public init(threads: Int, work: @escaping @Sendable (consuming Job) -> Product) {
        maxThreads = max(0, threads)
        // For each thread the job in progress and two that wait, because the caller adds none while it does a job itself.
        limit = 3 * maxThreads
        queue = JobQueue(capacity: limit + 1, work: work)
    }

    // Jobs that have not started are dropped; the end waits for jobs in progress.
    deinit {
        queue.end()
        for thread in threads { thread.join() }
    }

    /// Adds the next job. When the queue is full, it also takes the oldest product, as `next` does; without threads that
    /// is the product of this job.
    public mutating func add(_ job: consuming Job) -> Product? {
        let jobs = queue.add(job)
        // Where the system has no room for a thread, the caller does the jobs.
        if jobs.waiting > 1, threads.count < maxThreads,
            let thread = try? Thread(running: { [queue] in queue.workUntilEnd() })
        {
            threads.append(thread)
        }
        return jobs.queued > limit ? queue.next() : nil
    }

    /// Takes the product of the oldest job; nil when there is no job. Until the product is there, the caller does jobs
    /// that have not started.
    public mutating func next() -> Product? { queue.next() }
}
