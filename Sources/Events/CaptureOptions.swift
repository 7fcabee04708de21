// SPDX-License-Identifier: Apache-2.0

// What a user can request of a live source. The kernel filters unwanted events where the source permits that.

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

/// Which source observes the running kernel.
public enum CaptureSource: String, Sendable, CaseIterable {
    /// BPF, and ftrace where the host refuses BPF.
    case auto
    case bpf
    case ftrace
}

/// All settings of a capture.
public struct CaptureOptions: Sendable {
    public var source: CaptureSource = .auto
    public var attach: AttachMode = .auto
    /// The depth that is wanted; other options may need a deeper one, and hosts may permit only `full`.
    public var depth: CaptureDepth = .sentinel
    /// Which lookups and victims are followed. A filter on the victim never hides the culprit.
    public var wanted = LookupFilter()
    /// Report every shared lookup, not only those with an observation or a retry.
    public var emitAll = false
    /// Size of the ring buffer in bytes: a power of two, a page or more.
    public var ringBytes: UInt32 = 8 << 20
    /// Show addresses of `struct page` instead of opaque ids.
    public var kernelAddresses = false
    /// Let the kernel count run time and runs of BPF programs while this runs; it does so for every
    /// program on the host, for some 20 ns a run.
    public var countsCost = false
    /// Report every operation that detached pages, also the frequent ones, for an analysis in time.
    public var emitsActivities = false
    /// Files in directories of other users are created or removed during the run.
    public var keepsFileAccess = false
    /// When a lookup counts as a loop; kept with the run, not applied here.
    public var loops = LoopThresholds()
    /// The filters as options of the command, kept with the run.
    public var filterText = ""
    public init() {}

    /// Whether whole lookups must be followed; observations alone do not suffice.
    public var needsFullDepth: Bool {
        let eFault: Int32 = -14
        return depth == .full || attach == .fentry || attach == .kprobe || emitAll || wanted.minPasses > 0
            || wanted.minDurationNs > 0 || wanted.result.map { $0 != eFault } ?? false
    }
}
