// SPDX-License-Identifier: Apache-2.0

// Whether the kernel preempts its own code. Where it does, a program on kprobe.multi can be preempted, and meanwhile
// the kernel skips every kprobe program for the other tasks on that CPU; so kprobe.multi is not used there.

import System

/// The preemption model that is in force (CONFIG_PREEMPT_DYNAMIC can change it while the kernel runs).
enum KernelPreemption: String, Sendable {
    case none
    case voluntary
    case full
    case lazy
    case realTime = "real-time"
    case unknown

    /// True unless it is known to be false.
    var isPossible: Bool { self != .none && self != .voluntary }

    static func read() -> KernelPreemption {
        KernelPreemption(
            isRealTime: readText("/sys/kernel/realtime") == "1",
            scheduler: readText("/sys/kernel/debug/sched/preempt"), version: readText("/proc/version") ?? "",
            commandLine: readText("/proc/cmdline") ?? "")
    }

    /// - Parameters:
    ///   - scheduler: such as "none voluntary (full) lazy"; nil where debugfs is not mounted or not readable.
    ///   - version: /proc/version, which names the model that was built in.
    ///   - commandLine: of the kernel, whose "preempt=" counts where the model was to be chosen at boot.
    init(isRealTime: Bool, scheduler: String?, version: String, commandLine: String) {
        func model(_ word: Substring?) -> KernelPreemption? { word.flatMap { KernelPreemption(rawValue: String($0)) } }
        let words = version.split(separator: " ")
        let chosen = commandLine.split(separator: " ").last { $0.hasPrefix("preempt=") }?.dropFirst(8)
        if isRealTime || words.contains("PREEMPT_RT") {
            self = .realTime
        } else if let inForce = scheduler?.split(separator: "(").last?.split(separator: ")").first {
            self = model(inForce) ?? .unknown
        } else if words.contains("PREEMPT_DYNAMIC") {
            self = model(chosen) ?? .unknown
        } else if words.contains("PREEMPT_LAZY") {
            self = .lazy
        } else if words.contains("PREEMPT") {
            self = .full
        } else {
            self = words.isEmpty ? .unknown : .voluntary
        }
    }
}
