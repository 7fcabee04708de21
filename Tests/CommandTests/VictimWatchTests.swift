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
            watch.look()
            if watch.hasEnded { return true }
            usleep(10_000)
        }
        return false
    }

    @Test("the end of a process, and of its first thread, is seen", arguments: ["-p", "-t"])
    func process(option: String) throws {
        let process = Process()
        process.executableURL = URL(filePath: "/bin/sleep")
        process.arguments = ["1000"]
        try process.run()
        defer { kill(process.processIdentifier, SIGKILL) }
        let victim = try #require(try watch([option, "\(process.processIdentifier)"]))
        #expect(victim.name == (option == "-p" ? "process " : "thread ") + "\(process.processIdentifier)")
        victim.look()
        #expect(!victim.hasEnded)
        // It may have inherited blocked signals from this process, but not this one.
        kill(process.processIdentifier, SIGKILL)
        #expect(hasEnded(victim))
    }

    @Test("the end of a thread is seen while its process goes on")
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
        victim.look()
        #expect(!victim.hasEnded)
        goes.signal()
        #expect(hasEnded(victim))
    }

    private final class Link: Sendable {
        let path = Mutex("")
    }

    @Test("a filter that names no task has no end")
    func others() throws {
        #expect(try watch([]) == nil)
        #expect(try watch(["-n", "sleep"]) == nil)
    }
}
