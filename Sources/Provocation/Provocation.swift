// SPDX-License-Identifier: Apache-2.0

/// One cause to provoke, with its options checked: the entry to this module.
///
///     let provocation = try Provocation(cause: .holePunch, limit: .seconds(2), path: nil)
///     let report = try provocation.run(workersStartedWith: ["provoke", "--worker"])
///
/// A run starts this program twice more, as the victim and as the culprit. The program must pass the argument that
/// follows those arguments to `runWorker`.
public struct Provocation: Equatable, Sendable {
    /// How long the victim calls.
    public enum Limit: Equatable, Sendable {
        /// A fixed number of futex calls where every call has the same result, or three seconds where it is a race.
        case standard
        /// Nanoseconds: more than 0, at most a day.
        case duration(UInt64)
        /// At least 1.
        case calls(Int)
    }

    public let cause: ProvokedCause
    public let limit: Limit
    /// A directory in which one new file is created, or, for `block-zero-out`, a device.
    public let path: String?

    /// Fails with `.usage` if a limit is out of range or a path is given that cannot be one.
    public init(cause: ProvokedCause, limit: Limit = .standard, path: String? = nil) throws(ProvocationError) {
        switch limit {
        case .standard: break
        case .duration(let ns):
            guard ns > 0, ns <= 86_400_000_000_000 else {
                throw .badLimit("--duration", "more than 0 and at most 1d")
            }
        case .calls(let calls):
            guard calls >= 1 else { throw .badLimit("--calls", "1 or more") }
        }
        if path == "" { throw .usage("cannot use an empty --path; expected a directory") }
        self.cause = cause
        self.limit = limit
        self.path = path
    }

    /// Provokes the cause, and returns when the workers have ended and the test file is removed. SIGINT, SIGTERM and SIGHUP
    /// end a run early, as if its time were over.
    ///
    /// Fails with `.usage` if the path does not suit the cause, with `.notPermitted` if the host
    /// refuses what the cause needs, and with `.failed` if a worker dies or no operation of the culprit succeeds.
    public func run(workersStartedWith arguments: [String]) throws(ProvocationError) -> ProvocationReport {
        try Syscalls.holdingSignals { () throws(ProvocationError) in
            var run = try Run(self, arguments: arguments)
            return try run.report()
        }
    }

    /// Runs this process as the worker that `run` has started, and returns its exit code. The coordinator reports what
    /// went wrong.
    public static func runWorker(_ argument: String) -> Int32 {
        guard let arguments = WorkerArguments(argument: argument) else { return ProvocationError.usage("").exitCode }
        return WorkerProcess.run(arguments)
    }

    var calls: Int {
        switch limit {
        case .standard: Scenario(cause).standardCalls ?? 0
        case .duration: 0
        case .calls(let calls): calls
        }
    }

    var durationNs: Int64 {
        switch limit {
        case .standard: Scenario(cause).standardCalls == nil ? 3_000_000_000 : 0
        case .duration(let ns): Int64(clamping: ns)
        case .calls: 0
        }
    }
}
