// SPDX-License-Identifier: Apache-2.0

// How many threads can have a CPU of their own.

internal import CLinux

/// The CPUs that this process can use: those of its affinity mask and its cpuset.
public enum CPUs {
    /// At least 1; also 1 where the kernel does not answer.
    public static var usable: Int { max(1, Int(clinux_usable_cpus())) }
}
