// SPDX-License-Identifier: Apache-2.0

// What a run may still do once everything is attached. Loading and attaching takes capabilities that reach
// the whole kernel; reading on takes none or one, and which one is found out here by trying, since kernels
// differ. All others are given up for good before the first thread is started, so that every thread of
// the process has no more. What is given up here cannot be had back by running another program.

import CLibbpf
import Glibc
import System

/// A capability by its name and number in <linux/capability.h>.
struct Capability: Sendable, Equatable {
    var name: String
    var number: UInt64

    var mask: UInt64 { 1 << number }

    static let dacOverride = Capability(name: "CAP_DAC_OVERRIDE", number: 1)
    static let sysPtrace = Capability(name: "CAP_SYS_PTRACE", number: 19)
    static let sysAdmin = Capability(name: "CAP_SYS_ADMIN", number: 21)
    static let syslog = Capability(name: "CAP_SYSLOG", number: 34)
    static let perfmon = Capability(name: "CAP_PERFMON", number: 38)
    static let bpf = Capability(name: "CAP_BPF", number: 39)
    static let checkpointRestore = Capability(name: "CAP_CHECKPOINT_RESTORE", number: 40)

    /// Those that are in force for this process.
    static func effective() -> UInt64 {
        let line = (readText("/proc/self/status") ?? "").split(separator: "\n").first { $0.hasPrefix("CapEff:") }
        return line.flatMap { UInt64($0.dropFirst(7).drop { $0 == "\t" || $0 == " " }, radix: 16) } ?? 0
    }
}

enum Rights {
    /// Keeps what the rest of a run needs of what the process has, and gives up everything else.
    /// - Parameters:
    ///   - keepsFileAccess: whether files in directories of other users are still to be made or removed.
    ///   - kernelAnswers: asks the kernel about what is loaded; 5.10 wants CAP_BPF for that, later kernels nothing.
    /// - Returns: what is kept.
    static func giveUp(keepsFileAccess: Bool, kernelAnswers: () -> Bool) throws(CaptureError) -> [Capability] {
        let threads = paths(matching: "/proc/self/task/*").count
        // A capability is a thread's: another one would go on with all of them.
        guard threads <= 1 else {
            throw CaptureError(
                message: "cannot give up capabilities: \(threads) threads are running already, expected one",
                exitCode: 1)
        }
        var permitted: UInt64 = 0
        // The number lives over the call.
        try check(unsafe fs_permitted_capabilities(&permitted))
        var kept = keepsFileAccess ? [Capability.dacOverride].filter { permitted & $0.mask != 0 } : []
        kept += try least(of: [.bpf], permitted: permitted, for: kernelAnswers)
        // Paths of files are in the victim's own mappings, which it shows to nobody else. Some kernels
        // show them to CAP_PERFMON, the lesser of the two. The first process stands for all.
        kept += try least(of: [.perfmon, .sysPtrace], permitted: permitted) {
            let descriptor = unsafe open("/proc/1/maps", O_RDONLY | O_CLOEXEC)
            if descriptor >= 0 { close(descriptor) }
            return descriptor >= 0
        }
        // What lies behind a mapping (whether its file was deleted, where its path leads) takes a right besides.
        // Where CAP_PERFMON shows the mappings, more than that would be too much: there it stays unknown.
        if kept.contains(.sysPtrace) {
            let shown = Capability.sysPtrace.mask
            kept += try least(of: [.checkpointRestore], with: shown, permitted: permitted) {
                var status = stat()
                // The structure lives over the call; access(2) would ask with what is permitted.
                return paths(matching: "/proc/1/map_files/*").first.map { unsafe stat($0, &status) == 0 } ?? true
            }
        }
        try check(fs_set_capabilities(permitted, permitted))
        try check(fs_close_ways_back())
        let mask = kept.reduce(0) { $0 | $1.mask }
        try check(fs_set_capabilities(mask, mask))
        return kept
    }

    /// Nothing if `works` without any, or else the first with which it does; nothing if none helps.
    private static func least(
        of candidates: [Capability], with others: UInt64 = 0, permitted: UInt64, for works: () -> Bool
    ) throws(CaptureError) -> [Capability] {
        try check(fs_set_capabilities(others, permitted))
        if works() { return [] }
        for candidate in candidates where permitted & candidate.mask != 0 {
            try check(fs_set_capabilities(candidate.mask | others, permitted))
            if works() { return [candidate] }
        }
        return []
    }

    private static func check(_ code: Int32) throws(CaptureError) {
        if code < 0 { throw .system("give up capabilities", errno: -code) }
    }
}
