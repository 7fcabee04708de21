// SPDX-License-Identifier: Apache-2.0

// This process: its environment, its standard streams, its end, and what it uses, for the metrics of `serve`.

internal import Glibc
internal import Presentation
internal import System

enum ThisProcess {
    static var id: Int32 { getpid() }

    static func environment(_ name: String) -> String? {
        // This program does not change its environment while other threads exist.
        unsafe getenv(name).map { unsafe String(cString: $0) }
    }

    /// Takes the numbers of standard streams that are closed, so that no other file gets one of them and is written to
    /// by mistake. Writes there fail, as before.
    static func occupyStandardStreams() {
        for number in Int32(0)...2 where fcntl(number, F_GETFD) < 0 {
            _ = unsafe open("/dev/null", O_RDONLY)
        }
    }

    /// A write to a closed pipe returns an error instead of ending the process.
    static func ignoreClosedPipes() {
        signal(SIGPIPE, SIG_IGN)
    }

    static func exit(_ code: Int32) -> Never {
        Glibc.exit(code)
    }

    // MARK: Use

    /// Adds what this process uses, as the conventional metrics of a process have it.
    static func addUse(to facts: inout ServiceFacts) {
        facts.cpuTimeNs = Clock.processCPUNs
        let pages = readText("/proc/self/statm")?.split(separator: " ").dropFirst().first.flatMap { UInt64($0) }
        facts.residentBytes = (pages ?? 0) * UInt64(sysconf(Int32(_SC_PAGESIZE)))
        facts.openDescriptors = openDescriptors
        facts.processStartNs = startNs
    }

    /// When this process was started, in nanoseconds since 1970. Computed once, because the wall clock moves against
    /// the clock of the host.
    private static let startNs: UInt64 = {
        let stat = TaskFiles.statFields("/proc/self/stat")
        guard stat.count > 19, let ticks = UInt64(stat[19]) else { return 0 }
        let sinceBootNs = ticks * (1_000_000_000 / UInt64(max(1, sysconf(Int32(_SC_CLK_TCK)))))
        return Clock.wallNs &- Clock.bootNs &+ sinceBootNs
    }()

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
