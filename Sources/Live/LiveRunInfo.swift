// SPDX-License-Identifier: Apache-2.0

// What is known of a run on this host before its first event, whatever observes it.

public import Events
internal import Glibc
internal import System

extension RunInfo {
    /// A run on this host that begins now.
    public init(options: CaptureOptions, probes: [ProbeReport]) {
        self.init(
            kernelRelease: readText("/proc/sys/kernel/osrelease"), host: readText("/proc/sys/kernel/hostname"),
            id: .random(), probes: probes, wallClockOffsetNs: Int64(Clock.wallNs) - Int64(Clock.monotonicNs),
            showsKernelAddresses: options.kernelAddresses, loops: options.loops, emitsAll: options.emitAll,
            pageBytes: UInt64(getpagesize()), filters: options.filterText)
    }
}
