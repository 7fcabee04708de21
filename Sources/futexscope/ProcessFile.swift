// SPDX-License-Identifier: Apache-2.0

// What /proc says: whether a task can still be in a lookup, and what this process uses.

internal import Events
internal import Glibc
internal import Presentation

/// Files of /proc, read as they are.
enum ProcessFile {
    /// The first 64 KiB of a file; nil when it cannot be read.
    static func text(_ path: String) -> String? { bytes(path).map { String(decoding: $0, as: UTF8.self) } }

    private static func bytes(_ path: String) -> [UInt8]? {
        let descriptor = unsafe open(path, O_RDONLY | O_CLOEXEC)
        guard descriptor >= 0 else { return nil }
        defer { close(descriptor) }
        var (bytes, done) = ([UInt8](repeating: 0, count: 64 << 10), 0)
        while done < bytes.count {
            // The room that is left, and no more.
            let count = unsafe bytes.withUnsafeMutableBytes {
                unsafe read(descriptor, $0.baseAddress?.advanced(by: done), $0.count - done)
            }
            if count < 0 { return nil }
            if count == 0 { break }
            done += count
        }
        return Array(bytes[..<done])
    }

    /// What follows the name in /proc/…/stat: the state first, the start time in clock ticks as the twentieth.
    private static func fields(_ path: String) -> [Substring] {
        guard let text = text(path), let end = text.lastIndex(of: ")") else { return [] }
        return text[text.index(after: end)...].split(separator: " ")
    }

    /// Whether the task may be inside get_futex_key(): it has to run, or to wait for a page. A task that is gone,
    /// that sleeps, or that has another name, and so is another one with its number, is not.
    static func canLoop(_ task: TaskIdentity) -> Bool {
        guard let state = fields("/proc/\(task.tid)/stat").first, let comm = bytes("/proc/\(task.tid)/comm") else {
            return false
        }
        let name = String(decoding: comm.prefix { $0 != UInt8(ascii: "\n") }, as: UTF8.self)
        return ["R", "D"].contains(state) && (name == task.comm.text || task.comm.text.contains("\n"))
    }

    /// What this process uses, as the conventional metrics of a process have it.
    static func addUse(to facts: inout ServiceFacts) {
        facts.cpuTimeNs = clock(CLOCK_PROCESS_CPUTIME_ID)
        let pages = text("/proc/self/statm")?.split(separator: " ").dropFirst().first.flatMap { UInt64($0) }
        facts.residentBytes = (pages ?? 0) * UInt64(sysconf(Int32(_SC_PAGESIZE)))
        facts.openDescriptors = openDescriptors
        facts.processStartNs = startNs
    }

    /// When this process was started, in nanoseconds since 1970. Told as it was first asked for: the wall clock
    /// moves against that of the host.
    private static let startNs: UInt64 = {
        let stat = fields("/proc/self/stat")
        guard stat.count > 19, let ticks = UInt64(stat[19]) else { return 0 }
        let sinceBootNs = ticks * (1_000_000_000 / UInt64(max(1, sysconf(Int32(_SC_CLK_TCK)))))
        return clock(CLOCK_REALTIME) &- clock(CLOCK_BOOTTIME) &+ sinceBootNs
    }()

    private static func clock(_ id: clockid_t) -> UInt64 {
        var time = timespec()
        // The structure lives over the call.
        unsafe clock_gettime(id, &time)
        return UInt64(time.tv_sec) * 1_000_000_000 + UInt64(time.tv_nsec)
    }

    private static var openDescriptors: UInt64 {
        guard let directory = unsafe opendir("/proc/self/fd") else { return 0 }
        // Open until the end of this function.
        defer { unsafe closedir(directory) }
        var count: UInt64 = 0
        while unsafe readdir(directory) != nil { count += 1 }
        // Itself, its parent, and the directory that is read.
        return count - min(count, 3)
    }
}
