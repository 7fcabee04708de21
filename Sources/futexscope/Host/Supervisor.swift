// SPDX-License-Identifier: Apache-2.0

// Notifications to a supervisor such as systemd (sd_notify(3)): the run is ready, its status, its end, and, where the
// supervisor has a watchdog, signs of life. Without NOTIFY_SOCKET nothing is sent. An error in sending does not end the
// run.

internal import CLinux
internal import Events
internal import Glibc
internal import Presentation

/// The supervisor of this process, if there is one.
struct Supervisor {
    /// From the environment at the start of the process; `adopt` must be called there.
    static let current = Supervisor()

    private let socket: String?
    /// The time without a sign of life after which the supervisor ends the run; nil without a watchdog.
    let patienceNs: UInt64?

    private init() {
        socket = ThisProcess.environment("NOTIFY_SOCKET")
        let isMeant = ThisProcess.environment("WATCHDOG_PID").map { $0 == "\(ThisProcess.id)" } ?? true
        patienceNs =
            socket == nil || !isMeant
            ? nil : ThisProcess.environment("WATCHDOG_USEC").flatMap { UInt64($0) }.map { $0 &* 1000 }
        // A command that this process starts is not the service. No other thread exists yet.
        for name in ["NOTIFY_SOCKET", "WATCHDOG_USEC", "WATCHDOG_PID"] { unsafe unsetenv(name) }
    }

    /// Reads the supervisor from the environment and removes it there.
    static func adopt() { _ = current }

    /// Everything is attached.
    func notifyReady(_ status: String) { notify("READY=1\nSTATUS=\(status)") }
    func notify(status: String) { notify("STATUS=\(status)") }
    func notifyEnding() { notify("STOPPING=1\nSTATUS=detaching the programs") }
    fileprivate func notifyAlive() { notify("WATCHDOG=1") }

    private func notify(_ text: String) {
        guard let socket else { return }
        // Both strings live over the call.
        _ = unsafe clinux_notify(socket, text)
    }
}

/// The signs of life of one run. One is sent only when both the consumer and the thread that drains the ring buffer have
/// made progress since the last one, so the watchdog notices when either hangs.
struct SignsOfLife {
    private let clock = ContinuousClock()
    private var last: ContinuousClock.Instant?
    private var turns: UInt64 = 0

    /// Call it in each turn of the consumer.
    /// - Parameter drainTurns: number of turns of the draining thread.
    mutating func consumerIsAlive(drainTurns: UInt64) {
        guard let patienceNs = Supervisor.current.patienceNs, drainTurns != turns else { return }
        let now = clock.now
        // sd_watchdog_enabled(3) recommends half of the interval; a loop that pauses for half a second needs more room.
        if let last, now - last < .nanoseconds(Int64(clamping: patienceNs / 4)) { return }
        (last, turns) = (now, drainTurns)
        Supervisor.current.notifyAlive()
    }
}
