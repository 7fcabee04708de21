// SPDX-License-Identifier: Apache-2.0

import Glibc
import Synchronization
import Testing

@testable import Crew

@Suite("A crew does work in order", .timeLimit(.minutes(1))) struct CrewTests {
    /// Work whose length has nothing to do with its place.
    @Sendable static func square(_ number: Int) -> Int {
        var spent = 0
        for step in 0..<(number % 7 == 0 ? 20_000 : number % 3 * 50) { spent &+= step ^ number }
        // Keeps the loop.
        return spent == -1 ? 0 : number * number
    }

    @Test("products come in the order of their jobs, however long each takes", arguments: 0...4)
    func order(threads: Int) {
        var crew = Crew(threads: threads, work: Self.square)
        var products: [Int] = []
        for number in 0..<2000 {
            if let product = crew.add(number) { products.append(product) }
        }
        while let product = crew.next() { products.append(product) }
        #expect(products == (0..<2000).map { $0 * $0 })
        #expect(crew.next() == nil)
    }

    @Test("products can be taken out at any time", arguments: 0...3)
    func mixed(threads: Int) {
        var crew = Crew(threads: threads, work: Self.square)
        var products: [Int] = []
        for number in 0..<2000 {
            if let product = crew.add(number) { products.append(product) }
            for _ in 0..<(number % 11 == 0 ? 9 : 0) {
                if let product = crew.next() { products.append(product) }
            }
        }
        while let product = crew.next() { products.append(product) }
        #expect(products == (0..<2000).map { $0 * $0 })
    }

    @Test("no more jobs are under way than three for each thread", arguments: 0...3)
    func bound(threads: Int) {
        let begun = Atomic(0)
        var crew = Crew(threads: threads) { (number: Int) in
            begun.add(1, ordering: .relaxed)
            return number
        }
        var taken = 0
        for number in 0..<1000 {
            // What is begun was handed in, so it is ahead of what was taken by no more than is under way.
            let product = crew.add(number)
            #expect((product == nil) == (number < 3 * threads))
            if product != nil { taken += 1 }
            #expect(begun.load(ordering: .relaxed) <= taken + 3 * threads)
        }
    }

    @Test("without threads a job is done when it is handed in, by who hands it in")
    func inPlace() {
        let me = pthread_self()
        var crew = Crew(threads: 0) { (number: Int) in (number, pthread_self()) }
        for number in 0..<10 {
            let product = crew.add(number)
            #expect(product?.0 == number)
            #expect(product?.1 == me)
        }
        #expect(crew.next() == nil)
    }

    @Test("for a single job no thread is started")
    func single() {
        let me = pthread_self()
        var crew = Crew(threads: 4) { (_: Int) in pthread_self() }
        for number in 0..<10 {
            #expect(crew.add(number) == nil)
            #expect(crew.next() == me)
        }
    }

    /// A job that does not end before the next one has begun: where the caller only waited for a thread, and there
    /// is one thread, neither would ever end.
    @Test("the caller works where it would wait")
    func callerWorks() {
        let begun = Atomic(0)
        var crew = Crew(threads: 1) { (number: Int) in
            begun.add(1, ordering: .acquiringAndReleasing)
            while begun.load(ordering: .acquiring) < 2 { usleep(100) }
            return pthread_self()
        }
        #expect(crew.add(0) == nil)
        #expect(crew.add(1) == nil)
        let workers = [crew.next(), crew.next()].compactMap(\.self)
        #expect(workers.count == 2)
        #expect(workers.contains(pthread_self()))
        #expect(workers.first != workers.last)
    }

    @Test("as many jobs are done at once as there are threads and the caller")
    func allWork() {
        let begun = Atomic(0)
        var crew = Crew(threads: 3) { (number: Int) in
            begun.add(1, ordering: .acquiringAndReleasing)
            while begun.load(ordering: .acquiring) < 4 { usleep(100) }
            return pthread_self()
        }
        for number in 0..<4 { #expect(crew.add(number) == nil) }
        var workers: Set<pthread_t> = []
        while let worker = crew.next() { workers.insert(worker) }
        #expect(workers.count == 4)
    }

    @Test("a signal is for those who were there before")
    func signals() {
        // Whoever runs this test may have blocked them.
        var (wanted, before) = (sigset_t(), sigset_t())
        unsafe sigemptyset(&wanted)
        for signal in [SIGINT, SIGTERM] { unsafe sigaddset(&wanted, signal) }
        unsafe pthread_sigmask(SIG_UNBLOCK, &wanted, &before)
        defer { unsafe pthread_sigmask(SIG_SETMASK, &before, nil) }
        let begun = Atomic(0)
        var crew = Crew(threads: 1) { (number: Int) in
            begun.add(1, ordering: .acquiringAndReleasing)
            while begun.load(ordering: .acquiring) < 2 { usleep(100) }
            return (worker: pthread_self(), isInterruptible: Self.takes(SIGINT), isStoppable: Self.takes(SIGTERM))
        }
        _ = crew.add(0)
        _ = crew.add(1)
        while let product = crew.next() {
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

    /// A job or a product, counted as long as somebody holds it.
    private final class Counted: Sendable {
        private let alive: Count

        init(in alive: Count) {
            self.alive = alive
            alive.value.add(1, ordering: .relaxed)
        }

        deinit { alive.value.subtract(1, ordering: .relaxed) }
    }

    @Test("an end drops what nobody has begun, waits for what is being done, and keeps nothing", arguments: 0...3)
    func end(threads: Int) {
        let begun = Atomic(0)
        let ended = Atomic(0)
        let alive = Count()
        do {
            var crew = Crew(threads: threads) { (job: Counted) in
                begun.add(1, ordering: .relaxed)
                usleep(1000)
                ended.add(1, ordering: .relaxed)
                return Counted(in: alive)
            }
            for _ in 0..<(3 * threads + 2) { _ = crew.add(Counted(in: alive)) }
        }
        #expect(begun.load(ordering: .relaxed) == ended.load(ordering: .relaxed))
        #expect(begun.load(ordering: .relaxed) <= 3 * threads + 2)
        #expect(alive.value.load(ordering: .relaxed) == 0)
        let begunByThen = begun.load(ordering: .relaxed)
        usleep(5000)
        #expect(begun.load(ordering: .relaxed) == begunByThen)
    }

    @Test("a process has a CPU, and no more than it may use")
    func cpus() {
        #expect(CPUs.usable >= 1)
        #expect(CPUs.usable <= sysconf(Int32(_SC_NPROCESSORS_CONF)))
    }
}
