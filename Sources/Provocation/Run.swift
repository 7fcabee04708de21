// SPDX-License-Identifier: Apache-2.0

// A run in the coordinator, the process that the user has started. It creates the test file, starts the two workers,
// makes sure that they end, and makes the report from the scoreboard.

internal import Glibc
internal import System

/// One run, from the test file to the report.
struct Run: ~Copyable {
    private struct Worker {
        var role: Role
        var pid: Int32
        var ending: Syscalls.Ending?
        var wasKilled = false
    }

    private let provocation: Provocation
    private let scenario: Scenario
    private let arguments: [String]
    private let file: TestFile
    private let board: Scoreboard
    private let cpu: Int32
    private var workers: [Worker] = []
    private var stoppedAt: Int64?
    private var killedAt: Int64?
    private var interrupted = false

    /// A worker stops within its current operation. One that takes longer is in a system call that does not return.
    private static let graceNs: Int64 = 2_000_000_000
    /// A worker is ready within milliseconds; on a disk that is busy with other work its first read can take seconds.
    private static let readyNs: Int64 = 120_000_000_000

    init(_ provocation: Provocation, arguments: [String]) throws(ProvocationError) {
        let cause = provocation.cause
        let scenario = Scenario(cause)
        if cause == .swapOut, !Host.swapIsOn {
            throw .notPermitted("cannot provoke \(cause): no swap is on; it needs \(cause.needs)")
        }
        let (board, cpu) = try failing(in: cause) { () throws(SyscallError) in
            (try Scoreboard(), try Syscalls.lastAllowedCPU())
        }
        let file = try TestFile(scenario, at: provocation.path)
        self.board = board
        self.cpu = cpu
        self.file = consume file
        self.provocation = provocation
        self.scenario = scenario
        self.arguments = arguments
    }

    mutating func report() throws(ProvocationError) -> ProvocationReport {
        let before = Host.counters(scenario.evidence)
        try start(.victim, until: .victimReady)
        // The culprit needs the victim's page, so it starts second.
        if scenario.culprit != nil { try start(.culprit, until: .culpritReady) }
        board[.go] = 1
        wait()
        try checkOutcome()
        return report(before: before, after: Host.counters(scenario.evidence))
    }

    // After a run that failed no worker is left.
    deinit {
        board[.stop] = 1
        for worker in workers where worker.ending == nil {
            Syscalls.kill(worker.pid)
            _ = try? Syscalls.ending(of: worker.pid)
        }
    }

    // MARK: The workers

    private mutating func start(_ role: Role, until ready: Scoreboard.Slot) throws(ProvocationError) {
        // After a failure or a signal no further worker starts.
        guard stoppedAt == nil else { return }
        let request = WorkerArguments(
            role: role, cause: scenario.cause, coordinator: Syscalls.processId,
            scoreboard: board.file.number, cpu: cpu, calls: provocation.calls,
            durationNs: provocation.durationNs, path: file.path)
        let pid = try failing(in: scenario.cause) { () throws(SyscallError) in
            try Syscalls.spawnSelf(["futexscope"] + arguments + [request.argument], keeping: board.file.number)
        }
        workers.append(Worker(role: role, pid: pid))
        let begun = Syscalls.now
        while board[ready] == 0, stoppedAt == nil {
            guard Syscalls.now - begun < Self.readyNs else {
                throw .notReady(
                    role, pid: pid, seconds: Int(Self.readyNs / 1_000_000_000), waitsIn: Host.waitChannel(of: pid))
            }
            check(nanoseconds: 1_000_000)
        }
    }

    /// Waits until the last worker has ended, or does not end even after SIGKILL.
    private mutating func wait() {
        let begun = Syscalls.now
        let limit = provocation.durationNs
        while workers.contains(where: { $0.ending == nil }) {
            check(nanoseconds: 20_000_000)
            if limit > 0, Syscalls.now - begun > limit + Self.graceNs { stop() }
            if let stoppedAt, killedAt == nil, Syscalls.now - stoppedAt > Self.graceNs { killWorkers() }
            if let killedAt, Syscalls.now - killedAt > Self.graceNs { return }
        }
    }

    /// Checks once for signals and for workers that have ended; either stops the run.
    private mutating func check(nanoseconds: Int64) {
        if let signal = Syscalls.waitForSignal(nanoseconds: nanoseconds), signal != SIGCHLD {
            interrupted = true
            stop()
        }
        for index in workers.indices where workers[index].ending == nil {
            workers[index].ending = (try? Syscalls.ending(of: workers[index].pid)) ?? nil
            if workers[index].ending != nil { stop() }
        }
    }

    private mutating func stop() {
        guard stoppedAt == nil else { return }
        board[.stop] = 1
        stoppedAt = Syscalls.now
    }

    private mutating func killWorkers() {
        for index in workers.indices where workers[index].ending == nil {
            Syscalls.kill(workers[index].pid)
            workers[index].wasKilled = true
        }
        killedAt = Syscalls.now
    }

    // MARK: The outcome

    /// Throws if a worker failed, rather than ended on request.
    private func checkOutcome() throws(ProvocationError) {
        for worker in workers {
            if let failure = board.failure(of: worker.role) { throw failure }
            guard let ending = worker.ending, !worker.wasKilled else { continue }
            if ending.signal > 0 || ending.code != 0 {
                throw .died(worker.role, pid: worker.pid, signal: ending.signal, code: ending.code)
            }
        }
        let failed = board[.operationsFailed]
        if board[.operations] == 0, failed > 0 {
            throw .idle(scenario.cause, tries: failed, errno: Int32(board[.lastOperationError]))
        }
    }

    private func report(before: [String: Int], after: [String: Int]) -> ProvocationReport {
        let counted = scenario.evidence.filter { after[$0] != nil }
        let faults = workers.first { $0.role == .victim }?.ending?.majorFaults ?? 0
        let culprit = workers.first { $0.role == .culprit }
        // A victim that was killed has not stored when it ended.
        let ended = board[.endedNs] > 0 ? board[.endedNs] : Int(stoppedAt ?? Syscalls.now)
        var report = ProvocationReport(
            cause: scenario.cause, calls: board[.calls], succeeded: board[.succeeded], efault: board[.efault],
            otherErrors: board[.otherErrors], efaultBeyondEnd: board[.efaultBeyondEnd],
            operations: board[.operations], operationsFailed: board[.operationsFailed],
            victim: .init(pid: Int32(board[.victimPid]), tid: Int32(board[.victimTid])),
            culprit: culprit.map { .init(pid: $0.pid, tid: Int32(board[.culpritTid])) },
            file: file.shown.map { .init(path: $0.path, device: $0.device, inode: $0.inode) },
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
                    ?? "the calls use the vDSO only: this host permits no packet ring, BPF array or io_uring")
        }
        for worker in workers where worker.wasKilled {
            notes.append("the \(worker.role.rawValue) did not return from a system call and was killed")
        }
        if interrupted { notes.append("a signal ended the run early") }
        if board[.realTimeRefused] != 0 {
            notes.append("SCHED_FIFO is not permitted: expect fewer observations; run as root")
        }
        if board[.pinRefused] != 0 {
            notes.append("the two tasks cannot run on one CPU: expect fewer observations")
        }
        switch scenario.cause.expectation {
        case .sometimes where report.efault == 0 && scenario.cause == .neighbourPunch:
            notes.append(
                "no call failed: this file system has no large folios, "
                    + "or the kernel does not preempt its own code (boot with preempt=full)")
        case .sometimes where report.efault == 0:
            notes.append(
                "no call failed: on a kernel that does not preempt its own code almost none does "
                    + "(boot with preempt=full)")
        case .withstood where report.efault > 0:
            notes.append("calls failed, which no kernel known so far does for this cause")
        default: break
        }
        if report.otherErrors > 0 {
            notes.append("the last other error: \(errorText(Int32(board[.lastError])))")
        }
        if report.operationsFailed > 0 {
            let error = errorText(Int32(board[.lastOperationError]))
            notes.append("the last operation that failed: \(error)")
        }
        if scenario.cause == .memoryFailure {
            notes.append(PoisonedPages.note(poisoned: report.operations, released: board[.released]))
        }
        if !scenario.evidence.isEmpty { notes.append("the evidence from /proc/vmstat counts the whole host") }
        return notes
    }
}
