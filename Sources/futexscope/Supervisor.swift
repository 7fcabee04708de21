// SPDX-License-Identifier: Apache-2.0

// What a supervisor such as systemd is told: that everything is attached, how the run is, that it ends, and,
// where it asks for that, that the run is alive (sd_notify(3)). Without NOTIFY_SOCKET nothing is told.
// Nobody there reading is no reason to end a run.

internal import CLinux
internal import Events
internal import Glibc
internal import Presentation

/// The supervisor of this process, if it has one.
struct Supervisor {
    /// As the environment named it at the start of the process, for which `adopt` has to be called there.
    static let current = Supervisor()

    private let socket: String?
    /// How long it waits for a sign of life before it takes the run for hung; nil when it does not.
    let patienceNs: UInt64?

    private init() {
        socket = Descriptor.environment("NOTIFY_SOCKET")
        let isMeant = Descriptor.environment("WATCHDOG_PID").map { $0 == "\(Descriptor.processID)" } ?? true
        patienceNs =
            socket == nil || !isMeant
            ? nil : Descriptor.environment("WATCHDOG_USEC").flatMap { UInt64($0) }.map { $0 &* 1000 }
        // A command that is started here is not the service. No other thread exists yet.
        for name in ["NOTIFY_SOCKET", "WATCHDOG_USEC", "WATCHDOG_PID"] { unsafe unsetenv(name) }
    }

    /// Takes the supervisor out of the environment.
    static func adopt() { _ = current }

    /// Everything is attached.
    func tellReady(_ status: String) { tell("READY=1\nSTATUS=\(status)") }
    func tell(status: String) { tell("STATUS=\(status)") }
    func tellEnding() { tell("STOPPING=1\nSTATUS=taking the programs off") }
    fileprivate func tellAlive() { tell("WATCHDOG=1") }

    private func tell(_ text: String) {
        guard let socket else { return }
        // Both strings live over the call.
        _ = unsafe clinux_notify(socket, text)
    }
}

/// The signs of life of one run. One is sent only when the consumer has come round again and the thread
/// that drains the ring buffer has done so too: either hanging is what the watchdog is for.
struct SignsOfLife {
    private let clock = ContinuousClock()
    private var last: ContinuousClock.Instant?
    private var turns: UInt64 = 0

    /// To be called whenever the consumer comes round.
    /// - Parameter drainTurns: how often the draining thread has come round.
    mutating func consumerCameRound(drainTurns: UInt64) {
        guard let patienceNs = Supervisor.current.patienceNs, drainTurns != turns else { return }
        let now = clock.now
        // Twice as often as asked is what sd_watchdog_enabled(3) recommends; a loop that pauses for half a
        // second needs some room more.
        if let last, now - last < .nanoseconds(Int64(clamping: patienceNs / 4)) { return }
        (last, turns) = (now, drainTurns)
        Supervisor.current.tellAlive()
    }
}
