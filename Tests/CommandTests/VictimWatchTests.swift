// SPDX-License-Identifier: Apache-2.0

// A run ends when the process or thread that it follows has ended, and not before.

import Foundation
import Synchronization
import Testing

@testable import futexscope

@Suite struct VictimWatchTests {
    private func watch(_ arguments: [String]) throws -> VictimWatch? {
        VictimWatch(try Trace.parse(arguments).capture.wanted)
    }

    /// Until it says so, for 10 s at most.
    private func hasEnded(_ watch: VictimWatch) -> Bool {
        for _ in 0..<1000 {
            watch.check()
            if watch.hasEnded { return true }
            usleep(10_000)
        }
        return false
    }

    @Test("the end of a process, and of its first thread, is detected", arguments: ["-p", "-t"])
    func process(option: String) throws {
        let process = Process()
        process.executableURL = URL(filePath: "/bin/sleep")
        process.arguments = ["1000"]
        try process.run()
        // SIGTERM may be blocked in a child of this process.
        defer { kill(process.processIdentifier, SIGKILL) }
        let victim = try #require(try watch([option, "\(process.processIdentifier)"]))
        #expect(victim.name == (option == "-p" ? "process " : "thread ") + "\(process.processIdentifier)")
        victim.check()
        #expect(!victim.hasEnded)
        kill(process.processIdentifier, SIGKILL)
        #expect(hasEnded(victim))
    }

    @Test("the end of a thread is detected while its process continues")
    func thread() throws {
        let (begun, goes) = (DispatchSemaphore(value: 0), DispatchSemaphore(value: 0))
        let link = Link()
        let thread = Thread {
            let path = try? FileManager.default.destinationOfSymbolicLink(atPath: "/proc/thread-self")
            link.path.withLock { $0 = path ?? "" }
            begun.signal()
            goes.wait()
        }
        thread.start()
        begun.wait()
        let id = try #require(link.path.withLock { $0.split(separator: "/").last.map(String.init) })
        let victim = try #require(try watch(["-t", id]))
        victim.check()
        #expect(!victim.hasEnded)
        goes.signal()
        #expect(hasEnded(victim))
    }

    private final class Link: Sendable {
        let path = Mutex("")
    }

    @Test("a filter without a task has no end to detect")
    func others() throws {
        #expect(try watch([]) == nil)
        #expect(try watch(["-n", "sleep"]) == nil)
    }
}
