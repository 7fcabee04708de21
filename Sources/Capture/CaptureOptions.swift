// SPDX-License-Identifier: Apache-2.0

// What a user can ask of a capture. Everything here is applied in the kernel, so that what is not
// wanted costs nothing on the way.

public import Events
import Glibc
internal import System

/// How probes are attached.
public enum AttachMode: String, Sendable, CaseIterable {
    /// The best hook for each probe.
    case auto
    /// As `auto`, but lookups are followed from instructions of get_futex_key() or not at all.
    case callsite
    /// BTF trampolines only: their programs can be preempted, and then some lookups are not seen.
    case fentry
    /// kprobes on whole functions; kprobe.multi for what is only counted.
    case kprobe
}

/// How much of a lookup is observed.
public enum CaptureDepth: Sendable {
    /// Observations alone, from the call instructions that run only then: nothing is added to other lookups;
    /// passes, loops and times are not known.
    case sentinel
    /// Every shared lookup from its first pin to its return.
    case full
}

/// A control group with everything below it.
struct CgroupFilter {
    /// Inode of the group's directory, which is its id in the kernel.
    let id: UInt64
    /// How many groups lie between it and the root.
    let level: UInt32

    /// `path` is absolute, or as in /proc/PID/cgroup: relative to the root of the hierarchy.
    init(path: String) throws(CaptureError) {
        let root = "/sys/fs/cgroup"
        guard unsafe access(root + "/cgroup.controllers", F_OK) == 0 else {
            throw .noCgroup(path: path, reason: "cgroup v2 is not mounted at \(root)")
        }
        var full = path == root || path.hasPrefix(root + "/") ? path : root + "/" + path
        while full.hasSuffix("/") { full.removeLast() }
        var status = stat()
        guard unsafe stat(full, &status) == 0 else {
            throw .noCgroup(path: path, reason: errorText(errno))
        }
        guard status.st_mode & S_IFMT == S_IFDIR else {
            throw .noCgroup(path: path, reason: "it is no directory")
        }
        guard unsafe access(full + "/cgroup.controllers", F_OK) == 0 else {
            throw .noCgroup(path: path, reason: "it is no control group")
        }
        id = UInt64(status.st_ino)
        level = UInt32(full.dropFirst(root.count).split(separator: "/").count)
    }
}
/// All settings of a capture.
public struct CaptureOptions: Sendable {
    public var attach: AttachMode = .auto
    /// As deep as is wanted; other options may need more, and hosts may permit only `full`.
    public var depth: CaptureDepth = .sentinel
    /// Which lookups and victims are followed. A filter on the victim never hides the culprit.
    public var wanted = LookupFilter()
    /// Tell every shared lookup, not only those with an observation or a retry.
    public var emitAll = false
    /// Size of the ring buffer in bytes: a power of two, a page or more.
    public var ringBytes: UInt32 = 8 << 20
    /// Show addresses of `struct page` instead of opaque ids.
    public var kernelAddresses = false
    /// Let the kernel count run time and runs of BPF programs while this runs; it does so for every
    /// program on the host, for some 20 ns a run.
    public var countsCost = false
    /// Tell every operation that detached pages, also the frequent ones, for an analysis in time.
    public var tellsActivities = false
    /// Files in directories of other users are made or removed while the run goes on.
    public var keepsFileAccess = false
    /// What the consumer takes for a loop; kept with the run, not applied here.
    public var loops = LoopThresholds()
    /// The filters as options of the command, kept with the run.
    public var filterText = ""
    public init() {}

    /// Whether whole lookups must be followed; observations alone do not suffice.
    var needsFullDepth: Bool {
        depth == .full || attach == .fentry || attach == .kprobe || emitAll || wanted.minPasses > 0
            || wanted.minDurationNs > 0 || wanted.result.map { $0 != -EFAULT } ?? false
    }

    func check() throws(CaptureError) {
        if let path = wanted.cgroup { _ = try CgroupFilter(path: path) }
        guard ringBytes >= 4096, ringBytes & (ringBytes - 1) == 0 else { throw .badRingSize(ringBytes) }
    }
}
