// SPDX-License-Identifier: Apache-2.0

// What BPF programs cost, as the kernel counts it. Counting costs a little itself, so it is off by default.

import CLibbpf
import Glibc

/// Lets the kernel count run time and runs of BPF programs for as long as this lives.
final class CostStatistics {
    private let descriptor: Int32

    /// Nil when the kernel does not permit it (5.8, CAP_SYS_ADMIN); the cost is then not known.
    init?() {
        descriptor = bpf_enable_stats(BPF_STATS_RUN_TIME)
        if descriptor < 0 { return nil }
    }

    deinit { close(descriptor) }
}
