// SPDX-License-Identifier: Apache-2.0

// How many threads can have a CPU of their own, and which CPUs run.

internal import CLinux

/// The CPUs that this process can use: those of its affinity mask and its cpuset.
public enum CPUs {
    /// At least 1; also 1 where the kernel does not answer.
    public static var usable: Int { max(1, Int(clinux_usable_cpus())) }

    /// Numbers of those of the machine that run now; empty where the kernel does not say.
    public static var online: [Int] { numbers(in: readText("/sys/devices/system/cpu/online") ?? "") }

    /// The numbers in a list of the kernel, such as "0-3,8"; empty when it is none.
    static func numbers(in list: String) -> [Int] {
        var numbers: [Int] = []
        for part in list.split(separator: ",", omittingEmptySubsequences: false) {
            let ends = part.split(separator: "-", omittingEmptySubsequences: false).map { Int($0) }
            guard ends.count <= 2, let first = ends[0], let last = ends[ends.count - 1], first >= 0, first <= last,
                last < limit
            else { return [] }
            numbers += first...last
        }
        return numbers
    }

    /// More than any kernel can have.
    private static let limit = 1 << 16
}
