// SPDX-License-Identifier: Apache-2.0

// What is taken for a leftover of a killed run, and what is not touched.

import Foundation
import Testing

@testable import FtraceCapture

@Suite("Names of runs in tracefs") struct RunNameTests {
    @Test("a name leads back to its process") func back() throws {
        let own = RunName.own()
        #expect(RunName(own.text) == own)
        #expect(own.process == getpid())
        #expect(own.isAlive)
    }

    @Test("a number that was given again does not keep what another process left") func reused() throws {
        let own = RunName.own()
        let other = try #require(RunName("futexscope_\(own.process)_\(own.start + 1)"))
        #expect(!other.isAlive)
    }

    @Test("a process that has ended and waits for its parent keeps nothing") func zombie() throws {
        var child: pid_t = 0
        var arguments = unsafe [strdup("true"), nil]
        // Both strings and the number live over the call.
        #expect(unsafe posix_spawn(&child, "/bin/true", nil, nil, &arguments, nil) == 0)
        unsafe free(arguments[0])
        defer { waitpid(child, nil, 0) }
        var info = unsafe siginfo_t()
        #expect(unsafe waitid(P_PID, id_t(child), &info, WEXITED | WNOWAIT) == 0)
        let fields = try String(contentsOfFile: "/proc/\(child)/stat", encoding: .utf8).split(separator: " ")
        #expect(fields[2] == "Z")
        let run = try #require(RunName("futexscope_\(child)_\(fields[21])"))
        #expect(!run.isAlive)
    }

    @Test(
        "names of others",
        arguments: [
            "futexscope", "futexscope_", "futexscope_12", "futexscope_12_", "futexscope_x_1", "futexscope_12_1_2",
            "futexscope_-1_2", "futexscope_012_2", "other_12_1", "futexscope_0_1",
        ])
    func others(text: String) { #expect(RunName(text) == nil) }
}
