// SPDX-License-Identifier: Apache-2.0

// How many threads have a CPU of their own.

internal import CLinux

/// The CPUs that this process may use.
public enum CPUs {
    /// At least one, and one where the kernel does not say.
    public static var usable: Int { max(1, Int(clinux_usable_cpus())) }
}
