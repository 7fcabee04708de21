// SPDX-License-Identifier: Apache-2.0

// A value that another thread owns, for requests on the thread of a service. A request makes a descriptor readable; the
// other thread, which waits for events anyway, then publishes its current value. Requests within a short time get the same
// value, so the cost is bounded.

import Glibc
import Synchronization

/// Passes values from the thread that owns them to requests.
public final class Exchange<Value: Sendable>: Sendable {
    public enum Refusal: Error, Sendable, Equatable {
        /// Nothing is published yet.
        case notYet
        /// Nothing is published any more.
        case over
        /// Too many requests wait already.
        case busy
    }

    public typealias Answer = @Sendable (Result<Value, Refusal>) -> Void

    private enum Phase { case before, open, over }

    private struct State {
        var phase = Phase.before
        var latest: (value: Value, time: ContinuousClock.Instant)?
        var waiting: [Answer] = []
        var lastSign: ContinuousClock.Instant?
    }

    private static var mostWaiting: Int { 256 }

    /// Readable while a request waits.
    public let descriptor: Int32
    private let bell: Int32
    private let clock = ContinuousClock()
    private let state = Mutex(State())

    public init() {
        var ends: [Int32] = [-1, -1]
        // Two numbers are written into the two of the array. It fails only when there are no descriptors left; then the
        // other thread is not woken, and requests wait for a value that is published anyway.
        _ = unsafe pipe(&ends)
        for end in ends {
            _ = fcntl(end, F_SETFD, FD_CLOEXEC)
            _ = fcntl(end, F_SETFL, O_NONBLOCK)
        }
        (descriptor, bell) = (ends[0], ends[1])
    }

    deinit { for end in [descriptor, bell] where end >= 0 { Glibc.close(end) } }

    // MARK: The thread that owns the value

    /// From now on values are published. This is the first sign of life.
    public func open() { state.withLock { ($0.phase, $0.lastSign) = (.open, clock.now) } }

    /// Passes `value` to the requests that wait, and to requests within a short time.
    public func publish(_ value: Value) {
        // Before the waiting requests are taken: a request that arrives in between makes the descriptor readable again.
        var rings: [UInt8] = [0, 0, 0, 0]
        // As many bytes as there is room for, at most.
        _ = unsafe read(descriptor, &rings, rings.count)
        let waiting = state.withLock { state in
            state.latest = (value, clock.now)
            defer { state.waiting = [] }
            return state.waiting
        }
        for answer in waiting { answer(.success(value)) }
    }

    /// A sign of life of the thread, also without a value to publish.
    public func giveSign() { state.withLock { $0.lastSign = clock.now } }

    /// Nothing is published any more; waiting requests are informed.
    public func close() {
        let waiting = state.withLock { state in
            (state.phase, state.latest) = (.over, nil)
            defer { state.waiting = [] }
            return state.waiting
        }
        for answer in waiting { answer(.failure(.over)) }
    }

    // MARK: Requests

    /// A value that was published within `age`, or the next one. `answer` is called once, on this thread or on
    /// the one that publishes.
    public func ask(within age: Duration, _ answer: @escaping Answer) {
        var isFirst = false
        let immediate: Result<Value, Refusal>? = state.withLock { state in
            switch state.phase {
            case .before: return .failure(.notYet)
            case .over: return .failure(.over)
            case .open: break
            }
            if let latest = state.latest, clock.now - latest.time < age { return .success(latest.value) }
            guard state.waiting.count < Self.mostWaiting else { return .failure(.busy) }
            isFirst = state.waiting.isEmpty
            state.waiting.append(answer)
            return nil
        }
        if let immediate { return answer(immediate) }
        // One byte of an array that lives over the call.
        if isFirst { _ = unsafe write(bell, [1], 1) }
    }

    /// The time since the last sign of life; nil while nothing is published.
    public var sinceSign: Duration? {
        state.withLock { state in state.phase == .open ? state.lastSign.map { clock.now - $0 } : nil }
    }
}
