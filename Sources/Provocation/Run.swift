// SPDX-License-Identifier: Apache-2.0

internal import Glibc

/// A run from the coordinator's side: sets the stage, starts the players, sees to it that they end,
/// and gathers what they leave on the scoreboard.  Its own task takes no part in the race.
struct Run: ~Copyable {
    private struct Member {
        var role: Role
        var pid: Int32
        var ending: Syscalls.Ending?
        var wasKilled = false
    }

    private let provocation: Provocation
    private let scenario: Scenario
    private let arguments: [String]
    private let stage: Stage
    private let board: Scoreboard
    private let cpu: Int32
    private var members: [Member] = []
    private var stoppedAt: Int64?
    private var killedAt: Int64?
    private var interrupted = false

    /// A player that is told to stop does so within its current operation; more is a call that does
    /// not come back.
    private static let graceNs: Int64 = 2_000_000_000

    init(_ provocation: Provocation, arguments: [String]) throws(ProvocationFailure) {
        let cause = provocation.cause
        let scenario = Scenario(cause)
        if cause == .swapOut, !Host.swapIsOn {
            throw .notPermitted("no swap is on; \(cause) needs \(cause.needs)")
        }
        let (board, cpu) = try failing(in: cause) { () throws(SystemError) in
            (try Scoreboard(), try Syscalls.lastAllowedCPU())
        }
        let stage = try Stage(scenario, at: provocation.path)
        self.board = board
        self.cpu = cpu
        self.stage = consume stage
        self.provocation = provocation
        self.scenario = scenario
        self.arguments = arguments
    }

    mutating func report() throws(ProvocationFailure) -> ProvocationReport {
        let before = Host.counters(scenario.evidence)
        try start(.victim, until: .victimReady)
        // The disturber looks for the victim's page, so it comes second.
        if scenario.disturber != nil { try start(.culprit, until: .culpritReady) }
        board[.go] = 1
        attend()
        try judge()
        return gathered(before: before, after: Host.counters(scenario.evidence))
    }

    // A run that fails half way leaves no player behind.
    deinit {
        board[.stop] = 1
        for member in members where member.ending == nil {
            Syscalls.kill(member.pid)
            _ = try? Syscalls.ending(of: member.pid)
        }
    }

    // MARK: The players

    private mutating func start(_ role: Role, until ready: Scoreboard.Slot) throws(ProvocationFailure) {
        // After a failure or a signal nobody else needs to begin.
        guard stoppedAt == nil else { return }
        let ticket = Ticket(
            role: role, cause: scenario.cause, coordinator: Syscalls.processId,
            scoreboard: board.file.number, cpu: cpu, calls: provocation.calls,
            durationNs: provocation.durationNs, path: stage.path)
        let pid = try failing(in: scenario.cause) { () throws(SystemError) in
            try Syscalls.spawnSelf(["futexscope"] + arguments + [ticket.argument], keeping: board.file.number)
        }
        members.append(Member(role: role, pid: pid))
        while board[ready] == 0, stoppedAt == nil { look(nanoseconds: 1_000_000) }
    }

    /// Looks after the players until the last has ended, or does not even heed SIGKILL.
    private mutating func attend() {
        let begun = Syscalls.now
        let limit = provocation.durationNs
        while members.contains(where: { $0.ending == nil }) {
            look(nanoseconds: 20_000_000)
            if limit > 0, Syscalls.now - begun > limit + Self.graceNs { stop() }
            if let stoppedAt, killedAt == nil, Syscalls.now - stoppedAt > Self.graceNs { killTheRest() }
            if let killedAt, Syscalls.now - killedAt > Self.graceNs { return }
        }
    }

    /// One look at signals and at players that have ended; either is a reason to stop.
    private mutating func look(nanoseconds: Int64) {
        if let signal = Syscalls.waitForSignal(nanoseconds: nanoseconds), signal != SIGCHLD {
            interrupted = true
            stop()
        }
        for index in members.indices where members[index].ending == nil {
            members[index].ending = (try? Syscalls.ending(of: members[index].pid)) ?? nil
            if members[index].ending != nil { stop() }
        }
    }

    private mutating func stop() {
        guard stoppedAt == nil else { return }
        board[.stop] = 1
        stoppedAt = Syscalls.now
    }

    private mutating func killTheRest() {
        for index in members.indices where members[index].ending == nil {
            Syscalls.kill(members[index].pid)
            members[index].wasKilled = true
        }
        killedAt = Syscalls.now
    }

    // MARK: The outcome

    /// Throws if a player failed, rather than ended because it was told to.
    private func judge() throws(ProvocationFailure) {
        for member in members {
            if let words = board.lastWords(of: member.role) { throw words }
            guard let ending = member.ending, !member.wasKilled else { continue }
            if ending.signal > 0 || ending.code != 0 {
                throw .died(member.role, pid: member.pid, signal: ending.signal, code: ending.code)
            }
        }
        let failed = board[.operationsFailed]
        if board[.operations] == 0, failed > 0 {
            throw .idle(scenario.cause, tries: failed, errno: Int32(board[.lastOperationError]))
        }
    }

    private func gathered(before: [String: Int], after: [String: Int]) -> ProvocationReport {
        let counted = scenario.evidence.filter { after[$0] != nil }
        let faults = members.first { $0.role == .victim }?.ending?.majorFaults ?? 0
        let culprit = members.first { $0.role == .culprit }
        // A victim that had to be killed could not say when it ended.
        let ended = board[.endedNs] > 0 ? board[.endedNs] : Int(stoppedAt ?? Syscalls.now)
        var report = ProvocationReport(
            cause: scenario.cause, calls: board[.calls], succeeded: board[.succeeded], efault: board[.efault],
            otherErrors: board[.otherErrors], efaultBeyondEnd: board[.efaultBeyondEnd],
            operations: board[.operations], operationsFailed: board[.operationsFailed],
            victim: .init(pid: Int32(board[.victimPid]), tid: Int32(board[.victimTid])),
            culprit: culprit.map { .init(pid: $0.pid, tid: Int32(board[.culpritTid])) },
            file: stage.shown.map { .init(path: $0.path, device: $0.device, inode: $0.inode) },
            durationNs: board[.startedNs] > 0 ? ended - board[.startedNs] : 0,
            evidence: [.init(name: "victim_major_faults", growth: faults)]
                + counted.map { .init(name: $0, growth: (after[$0] ?? 0) - (before[$0] ?? 0)) },
            notes: [])
        report.notes = notes(on: report)
        return report
    }

    private func notes(on report: ProvocationReport) -> [String] {
        var notes: [String] = []
        if scenario.footing == .specialPages {
            let page = board[.driverPage]
            let driver = page > 0 ? DriverPage.allCases[page - 1].name : nil
            notes.append(
                driver.map { "the calls alternate between the vDSO and \($0)" }
                    ?? "the vDSO only: no packet ring, BPF array or io_uring is permitted here")
        }
        for member in members where member.wasKilled {
            notes.append("the \(member.role.rawValue) did not come back from a call and was killed")
        }
        if interrupted { notes.append("ended early by a signal") }
        if board[.realTimeRefused] != 0 {
            notes.append("SCHED_FIFO was refused: fewer hits are to be expected; run as root")
        }
        if board[.pinRefused] != 0 {
            notes.append("the two tasks could not be put on one CPU: fewer hits are to be expected")
        }
        switch scenario.cause.expectation {
        case .sometimes where report.efault == 0 && scenario.cause == .neighbourPunch:
            notes.append(
                "no call met it: either this file system has no large folios, "
                    + "or the kernel does not preempt its own code (boot with preempt=full)")
        case .sometimes where report.efault == 0:
            notes.append(
                "no call met it: a kernel that does not preempt its own code shows next to none "
                    + "(boot with preempt=full)")
        case .withstood where report.efault > 0:
            notes.append("calls failed, which no kernel known so far lets happen here")
        default: break
        }
        if report.otherErrors > 0 {
            notes.append("the last other error: \(Syscalls.describe(errno: Int32(board[.lastError])))")
        }
        if report.operationsFailed > 0 {
            let error = Syscalls.describe(errno: Int32(board[.lastOperationError]))
            notes.append("the last operation that could not be done: \(error)")
        }
        if scenario.cause == .memoryFailure {
            notes.append(PoisonedPages.note(poisoned: report.operations, released: board[.released]))
        }
        if !scenario.evidence.isEmpty { notes.append("the evidence from /proc/vmstat is of the whole host") }
        return notes
    }
}
