// SPDX-License-Identifier: Apache-2.0

/// One cause to be made happen, with its options checked: the way into this module.
///
///     let provocation = try Provocation(cause: .holePunch, limit: .seconds(2), path: nil)
///     let report = try provocation.run(playersStartedWith: ["provoke", "--play"])
///
/// A run starts this very program twice more, as the victim and as the culprit; the program must
/// hand what follows those arguments to `play`.
public struct Provocation: Equatable, Sendable {
    /// How long the victim calls.
    public enum Limit: Equatable, Sendable {
        /// So many futex calls where they suffice, or three seconds where it is a race.
        case standard
        /// More than 0, at most a day.
        case seconds(Double)
        /// At least 1.
        case calls(Int)
    }

    public let cause: Cause
    public let limit: Limit
    /// A directory in which one new file is made, or, for `block-zero-out`, a device.
    public let path: String?

    /// Fails with `.usage` if a limit is out of range or a path is given that cannot be one.
    public init(cause: Cause, limit: Limit = .standard, path: String? = nil) throws(ProvocationFailure) {
        switch limit {
        case .standard: break
        case .seconds(let seconds):
            guard seconds > 0, seconds <= 86_400 else {
                throw .badLimit("--duration", "more than 0 and at most 86400 seconds")
            }
        case .calls(let calls):
            guard calls >= 1 else { throw .badLimit("--calls", "at least 1") }
        }
        if path == "" { throw .usage("--path must not be empty") }
        self.cause = cause
        self.limit = limit
        self.path = path
    }

    /// Makes it happen, and returns when the players have ended and everything made is removed.
    /// SIGINT, SIGTERM and SIGHUP end a run early, as if its time were over.
    ///
    /// Fails with `.usage` if the path does not suit the cause, with `.notPermitted` if the host
    /// refuses what the cause needs, and with `.failed` if a player dies or the disturber never
    /// manages a single operation.
    public func run(playersStartedWith arguments: [String]) throws(ProvocationFailure) -> ProvocationReport {
        try Syscalls.holdingSignals { () throws(ProvocationFailure) in
            var run = try Run(self, arguments: arguments)
            return try run.report()
        }
    }

    /// Plays the role that `run` gave this process, and returns its exit code.  Whatever went wrong
    /// is told by the process that started it.
    public static func play(_ argument: String) -> Int32 {
        guard let ticket = Ticket(argument: argument) else { return ProvocationFailure.usage("").exitCode }
        return Player.play(ticket)
    }

    var calls: Int {
        switch limit {
        case .standard: Scenario(cause).standardCalls ?? 0
        case .seconds: 0
        case .calls(let calls): calls
        }
    }

    var durationNs: Int64 {
        switch limit {
        case .standard: Scenario(cause).standardCalls == nil ? 3_000_000_000 : 0
        case .seconds(let seconds): Int64(seconds * 1e9)
        case .calls: 0
        }
    }
}
