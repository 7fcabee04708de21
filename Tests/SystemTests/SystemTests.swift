// SPDX-License-Identifier: Apache-2.0

import Glibc
import Synchronization
import Testing

@testable import System

@Suite("System") struct SystemTests {
    private func temporaryPath(_ name: String = #function) -> String {
        "/tmp/futexscope-system-\(getpid())-\(name.prefix { $0 != "(" })"
    }

    @Test("an error has the C library's text") func text() {
        #expect(errorText(ENOENT) == "No such file or directory")
        #expect(SystemError(number: ENOSPC).isNoRoom)
        #expect(!SystemError(number: ENOENT).isNoRoom)
    }

    @Test("a file without a size is read to its end") func unsized() throws {
        let stat = try #require(readText("/proc/self/stat"))
        #expect(stat.hasPrefix("\(getpid()) "))
        #expect(!stat.hasSuffix("\n"))
    }

    @Test("processors in a list of the kernel") func processors() {
        #expect(CPUs.numbers(in: "0") == [0])
        #expect(CPUs.numbers(in: "0-2,8,10-11") == [0, 1, 2, 8, 10, 11])
        for list in ["", "x", "3-1", "1-2-3", "0,", "-1", "0-999999999"] { #expect(CPUs.numbers(in: list).isEmpty) }
        #expect(!CPUs.online.isEmpty)
    }

    @Test("a field of a task's status, and none where there is no task or field") func status() {
        #expect(statusField("Pid", of: "self") == "\(getpid())")
        #expect(statusField("Tgid", of: String(getpid())) == "\(getpid())")
        #expect(statusField("id", of: "self") == nil)
        #expect(statusField("Pid", of: "0") == nil)
    }

    @Test("a file is read up to the limit, and not beyond it", arguments: [0, 1, 4095, 16384, 16385, 100_000])
    func limit(_ limit: Int) throws {
        #expect(try #require(readFile("/dev/zero", limit: limit)).count == limit)
    }

    @Test("a file that cannot be read leaves the reason") func missing() {
        #expect(readFile("/nonexistent/file") == nil)
        #expect(SystemError.last().isMissing)
        #expect(readFile("/tmp") == nil)
    }

    @Test("a file is created once, for its owner only, and never over a link") func creation() throws {
        let path = temporaryPath()
        defer {
            unlink(path)
            unlink(path + "-link")
        }
        let descriptor = try createFile(path)
        close(descriptor)
        var status = stat()
        #expect(stat(path, &status) == 0)
        #expect(status.st_mode & 0o777 == 0o600)
        #expect(throws: SystemError(number: EEXIST)) { _ = try createFile(path) }
        #expect(symlink(path + "-absent", path + "-link") == 0)
        #expect(throws: SystemError(number: EEXIST)) { _ = try createFile(path + "-link") }
        #expect(throws: SystemError(number: ENOENT)) { _ = try createFile("/nonexistent/file") }
    }

    @Test("clocks advance, and wall time is after 2020") func clocks() {
        let before = Clock.monotonicNs
        #expect(Clock.monotonicNs >= before)
        #expect(Clock.bootNs >= Clock.monotonicNs / 2)
        #expect(Clock.wallNs > 1_577_836_800_000_000_000)
    }

    @Test("a thread blocks every signal, and its parent keeps its own mask") func thread() throws {
        final class Seen: Sendable { let isBlocked = Atomic<Bool>(false) }
        let seen = Seen()
        // The process that runs this test may have blocked it.
        let before = isTermBlocked
        let thread = try Thread { seen.isBlocked.store(isTermBlocked, ordering: .relaxed) }
        thread.join()
        let isBlocked = seen.isBlocked.load(ordering: .relaxed)
        #expect(isBlocked)
        #expect(isTermBlocked == before)
    }

    @Test("a process can use one CPU at least, and no more than the host has") func usableCPUs() {
        #expect(CPUs.usable >= 1)
        #expect(CPUs.usable <= sysconf(Int32(_SC_NPROCESSORS_CONF)))
    }
}

/// Whether SIGTERM is blocked on this thread.
private var isTermBlocked: Bool {
    var mask = sigset_t()
    pthread_sigmask(SIG_BLOCK, nil, &mask)
    return sigismember(&mask, SIGTERM) == 1
}
