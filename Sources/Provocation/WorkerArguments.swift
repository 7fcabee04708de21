// SPDX-License-Identifier: Apache-2.0

/// Which of the two workers of a run a process is.
public enum Role: String, Sendable {
    case victim
    case culprit

    /// The name under which the process shows in `ps` and in findings.
    public var comm: String { "provoke-\(rawValue)" }
}

/// What a worker needs to start, as one argument of its command line. Everything that changes during the run is on the
/// scoreboard, whose descriptor number is in here.
struct WorkerArguments: Equatable, Sendable {
    var role: Role
    var cause: ProvokedCause
    /// Pid of the coordinator, which must be the parent of the worker.
    var coordinator: Int32
    var scoreboard: Int32
    /// The only CPU that it runs on.
    var cpu: Int32
    /// 0: no such limit.
    var calls: Int
    var durationNs: Int64
    /// The file or device; empty where the cause has none.
    var path: String

    var argument: String {
        // The path comes last, since it may contain anything.
        "\(role.rawValue),\(cause),\(coordinator),\(scoreboard),\(cpu),\(calls),\(durationNs),\(path)"
    }
}

extension WorkerArguments {
    init?(argument: String) {
        let parts = argument.split(separator: ",", maxSplits: 7, omittingEmptySubsequences: false)
        guard parts.count == 8, let role = Role(rawValue: String(parts[0])),
            let cause = ProvokedCause(rawValue: String(parts[1])), let coordinator = Int32(parts[2]),
            let scoreboard = Int32(parts[3]), let cpu = Int32(parts[4]), let calls = Int(parts[5]),
            let durationNs = Int64(parts[6])
        else { return nil }
        self.init(
            role: role, cause: cause, coordinator: coordinator, scoreboard: scoreboard, cpu: cpu,
            calls: calls, durationNs: durationNs, path: String(parts[7]))
    }
}
