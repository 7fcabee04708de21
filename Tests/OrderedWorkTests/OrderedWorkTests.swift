// SPDX-License-Identifier: Apache-2.0

import Glibc
import Synchronization
import Testing

@testable import OrderedWork

@Suite("Ordered workers", .timeLimit(.minutes(1))) struct OrderedWorkTests {
    /// Work whose duration does not depend on its place.
    @Sendable static func square(_ number: Int) -> Int {
        var spent = 0
        for step in 0..<(number % 7 == 0 ? 20_000 : number % 3 * 50) { spent &+= step ^ number }
        // Keeps the loop.
        return spent == -1 ? 0 : number * number
    }

    @Test("products come in the order of their jobs, whatever time each job takes", arguments: 0...4)
    func order(threads: Int) {
        var workers = OrderedWorkers(threads: threads, work: Self.square)
        var products: [Int] = []
        for number in 0..<2000 {
            if let product = workers.add(number) { products.append(product) }
        }
        while let product = workers.next() { products.append(product) }
        #expect(products == (0..<2000).map { $0 * $0 })
        #expect(workers.next() == nil)
    }

    @Test("products can be taken out at any time", arguments: 0...3)
    func mixed(threads: Int) {
        var workers = OrderedWorkers(threads: threads, work: Self.square)
        var products: [Int] = []
        for number in 0..<2000 {
            if let product = workers.add(number) { products.append(product) }
            for _ in 0..<(number % 11 == 0 ? 9 : 0) {
                if let product = workers.next() { products.append(product) }
            }
        }
        while let product = workers.next() { products.append(product) }
        #expect(products == (0..<2000).map { $0 * $0 })
    }

    @Test("at most three jobs for each thread are in progress", arguments: 0...3)
    func bound(threads: Int) {
        let begun = Atomic(0)
        var workers = OrderedWorkers(threads: threads) { (number: Int) in
            begun.add(1, ordering: .relaxed)
            return number
        }
        var taken = 0
        for number in 0..<1000 {
            // A started job was added before, so there are at most as many as in the queue.
            let product = workers.add(number)
            #expect((product == nil) == (number < 3 * threads))
            if product != nil { taken += 1 }
            #expect(begun.load(ordering: .relaxed) <= taken + 3 * threads)
        }
    }

    @Test("without threads the caller does a job when it adds it")
    func inPlace() {
        let me = pthread_self()
        var workers = OrderedWorkers(threads: 0) { (number: Int) in (number, pthread_self()) }
        for number in 0..<10 {
            let product = workers.add(number)
            #expect(product?.0 == number)
            #expect(product?.1 == me)
        }
        #expect(workers.next() == nil)
    }

    @Test("for a single job no thread is started")
    func single() {
        let me = pthread_self()
        var workers = OrderedWorkers(threads: 4) { (_: Int) in pthread_self() }
        for number in 0..<10 {
            #expect(workers.add(number) == nil)
            #expect(workers.next() == me)
        }
    }

    /// A job that does not end before the next one has started: if the caller only waited for the one thread, neither would
    /// end.
    @Test("the caller does jobs where it would wait")
    func callerWorks() {
        let begun = Atomic(0)
        var workers = OrderedWorkers(threads: 1) { (number: Int) in
            begun.add(1, ordering: .acquiringAndReleasing)
            while begun.load(ordering: .acquiring) < 2 { usleep(100) }
            return pthread_self()
        }
        #expect(workers.add(0) == nil)
        #expect(workers.add(1) == nil)
        let threads = [workers.next(), workers.next()].compactMap(\.self)
        #expect(threads.count == 2)
        #expect(threads.contains(pthread_self()))
        #expect(threads.first != threads.last)
    }

    @Test("the threads and the caller do jobs at the same time")
    func allWork() {
        let begun = Atomic(0)
        var workers = OrderedWorkers(threads: 3) { (number: Int) in
            begun.add(1, ordering: .acquiringAndReleasing)
            while begun.load(ordering: .acquiring) < 4 { usleep(100) }
            return pthread_self()
        }
        for number in 0..<4 { #expect(workers.add(number) == nil) }
        var seen: Set<pthread_t> = []
        while let worker = workers.next() { seen.insert(worker) }
        #expect(seen.count == 4)
    }

    @Test("signals are delivered to the threads that were there before")
    func signals() {
        // The process that runs this test may have blocked them.
        var (wanted, before) = (sigset_t(), sigset_t())
        unsafe sigemptyset(&wanted)
        for signal in [SIGINT, SIGTERM] { unsafe sigaddset(&wanted, signal) }
        unsafe pthread_sigmask(SIG_UNBLOCK, &wanted, &before)
        defer { unsafe pthread_sigmask(SIG_SETMASK, &before, nil) }
        let begun = Atomic(0)
        var workers = OrderedWorkers(threads: 1) { (number: Int) in
            begun.add(1, ordering: .acquiringAndReleasing)
            while begun.load(ordering: .acquiring) < 2 { usleep(100) }
            return (worker: pthread_self(), isInterruptible: Self.takes(SIGINT), isStoppable: Self.takes(SIGTERM))
        }
        _ = workers.add(0)
        _ = workers.add(1)
        while let product = workers.next() {
            let isCaller = product.worker == pthread_self()
            #expect(product.isInterruptible == isCaller)
            #expect(product.isStoppable == isCaller)
        }
    }

    private static func takes(_ signal: Int32) -> Bool {
        var blocked = sigset_t()
        // The call writes into the set and nowhere else.
        unsafe pthread_sigmask(SIG_BLOCK, nil, &blocked)
        return unsafe sigismember(&blocked, signal) == 0
    }

    private final class Count: Sendable {
        let value = Atomic(0)
    }

    /// A job or a product, counted while a reference to it exists.
    private final class Counted: Sendable {
        private let alive: Count

        init(in alive: Count) {
            self.alive = alive
            alive.value.add(1, ordering: .relaxed)
        }

        deinit { alive.value.subtract(1, ordering: .relaxed) }
    }

    @Test("the end drops jobs that have not started, waits for the others, and keeps nothing", arguments: 0...3)
    func end(threads: Int) {
        let begun = Atomic(0)
        let ended = Atomic(0)
        let alive = Count()
        do {
            var workers = OrderedWorkers(threads: threads) { (job: Counted) in
                begun.add(1, ordering: .relaxed)
                usleep(1000)
                ended.add(1, ordering: .relaxed)
                return Counted(in: alive)
            }
            for _ in 0..<(3 * threads + 2) { _ = workers.add(Counted(in: alive)) }
        }
        #expect(begun.load(ordering: .relaxed) == ended.load(ordering: .relaxed))
        #expect(begun.load(ordering: .relaxed) <= 3 * threads + 2)
        #expect(alive.value.load(ordering: .relaxed) == 0)
        let begunByThen = begun.load(ordering: .relaxed)
        usleep(5000)
        #expect(begun.load(ordering: .relaxed) == begunByThen)
    }
}
