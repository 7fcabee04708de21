// SPDX-License-Identifier: Apache-2.0

// A value that lives on another thread, for those who ask for it from a service's thread. Asking makes a
// descriptor readable; the other thread, which waits for events anyway, sees that and publishes its value
// as it is then. Those who ask soon after one another get the same value, so that curiosity has a bounded
// cost.

import Glibc
import Synchronization

/// Hands values from the thread that has them to those who ask.
public final class Exchange<Value: Sendable>: Sendable {
    public enum Refusal: Error, Sendable, Equatable {
        /// Nothing is published yet.
        case notYet
        /// Nothing is published any more.
        case over
        /// Too many wait already.
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

    /// Readable while somebody waits.
    public let descriptor: Int32
    private let bell: Int32
    private let clock = ContinuousClock()
    private let state = Mutex(State())

    public init() {
        var ends: [Int32] = [-1, -1]
        // Two numbers are written into the two of the array. It fails only when there are no descriptors left;
        // then nobody is woken, and those who ask wait for a value that is published anyway.
        _ = unsafe pipe(&ends)
        for end in ends {
            _ = fcntl(end, F_SETFD, FD_CLOEXEC)
            _ = fcntl(end, F_SETFL, O_NONBLOCK)
        }
        (descriptor, bell) = (ends[0], ends[1])
    }

    deinit { for end in [descriptor, bell] where end >= 0 { Glibc.close(end) } }

    // MARK: The thread that has the value

    /// From here on values are published, and this is the first sign.
    public func open() { state.withLock { ($0.phase, $0.lastSign) = (.open, clock.now) } }

    /// Gives `value` to those who wait, and for a moment to those who come.
    public func publish(_ value: Value) {
        // Before those who wait are taken: who comes in between rings again, and is not left waiting.
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

    /// The thread has come round, whether or not it had anything to publish.
    public func giveSign() { state.withLock { $0.lastSign = clock.now } }

    /// Nothing is published any more; those who wait are told.
    public func close() {
        let waiting = state.withLock { state in
            (state.phase, state.latest) = (.over, nil)
            defer { state.waiting = [] }
            return state.waiting
        }
        for answer in waiting { answer(.failure(.over)) }
    }

    // MARK: Those who ask

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

    /// How long ago the thread last came round; nil while nothing is published.
    public var sinceSign: Duration? {
        state.withLock { state in state.phase == .open ? state.lastSign.map { clock.now - $0 } : nil }
    }
}
