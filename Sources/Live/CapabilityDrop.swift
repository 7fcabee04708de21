// SPDX-License-Identifier: Apache-2.0

// The capabilities of a run after everything is attached. Loading and attaching needs capabilities that give access to
// the whole kernel. Reading afterwards needs none or one; which one is found out by trying, because kernels differ. All
// others are dropped before the first thread is started, so that no thread of the process has more. A dropped
// capability cannot be regained by running another program.

internal import CLinux
public import Events
internal import Glibc
internal import System

/// A capability by its name and number in <linux/capability.h>.
public struct Capability: Sendable, Equatable {
    public var name: String
    public var number: UInt64

    public var mask: UInt64 { 1 << number }

    public static let dacOverride = Capability(name: "CAP_DAC_OVERRIDE", number: 1)
    public static let sysPtrace = Capability(name: "CAP_SYS_PTRACE", number: 19)
    public static let sysAdmin = Capability(name: "CAP_SYS_ADMIN", number: 21)
    public static let syslog = Capability(name: "CAP_SYSLOG", number: 34)
    public static let perfmon = Capability(name: "CAP_PERFMON", number: 38)
    public static let bpf = Capability(name: "CAP_BPF", number: 39)

    /// The capabilities that are in force for this process.
    public static func effective() -> UInt64 {
        statusField("CapEff", of: "self").flatMap { UInt64($0, radix: 16) } ?? 0
    }
}

/// Drops capabilities.
public enum CapabilityDrop {
    /// An action of a run, and the capabilities that it may need. The first one with which it works is kept, and none
    /// if it works without.
    public struct Need {
        var candidates: [Capability]
        var works: () -> Bool

        public init(_ candidates: Capability..., works: @escaping () -> Bool) {
            (self.candidates, self.works) = (candidates, works)
        }
    }

    /// Keeps the capabilities that the rest of a run needs, if the process has them, and drops all others.
    /// - Parameters:
    ///   - keepsFileAccess: whether files in directories of other users are still to be made or removed.
    ///   - needs: what the source itself does during a run.
    /// - Returns: what is kept.
    /// - Throws: with exit code 1 when another thread is running, or the kernel refuses.
    public static func keepLeast(
        keepsFileAccess: Bool, needs: [Need]
    ) throws(CaptureError) -> [Capability] {
        let threads = paths(matching: "/proc/self/task/*").count
        // A capability belongs to a thread: another thread would keep all of them.
        guard threads <= 1 else {
            throw CaptureError(
                message: "cannot drop capabilities: \(threads) threads are running already, expected one",
                exitCode: 1)
        }
        var permitted: UInt64 = 0
        // The number lives over the call.
        try check(unsafe clinux_permitted_capabilities(&permitted))
        var kept = keepsFileAccess ? [Capability.dacOverride].filter { permitted & $0.mask != 0 } : []
        for need in needs {
            kept += try least(of: need.candidates, permitted: permitted, for: need.works).filter { !kept.contains($0) }
        }
        try check(clinux_set_capabilities(permitted, permitted))
        try check(clinux_close_ways_back())
        let mask = kept.reduce(0) { $0 | $1.mask }
        try check(clinux_set_capabilities(mask, mask))
        return kept
    }

    /// Nothing if `works` succeeds without any, or else the first with which it succeeds; nothing if none helps.
    private static func least(
        of candidates: [Capability], permitted: UInt64, for works: () -> Bool
    ) throws(CaptureError) -> [Capability] {
        try check(clinux_set_capabilities(0, permitted))
        if works() { return [] }
        for candidate in candidates where permitted & candidate.mask != 0 {
            try check(clinux_set_capabilities(candidate.mask, permitted))
            if works() { return [candidate] }
        }
        return []
    }

    private static func check(_ code: Int32) throws(CaptureError) {
        if code < 0 { throw .failed("drop capabilities", reason: errorText(-code)) }
    }
}
