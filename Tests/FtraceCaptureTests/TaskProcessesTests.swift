// SPDX-License-Identifier: Apache-2.0

import Events
import Foundation
import System
import Testing

@testable import FtraceCapture

/// Numbers of threads and processes, and when they mean anything.
@Suite("Processes of threads") struct TaskProcessesTests {
    /// A process with one thread, until `end` is called.
    private final class Child {
        let process = Process()

        init() throws {
            process.executableURL = URL(filePath: "/bin/sleep")
            process.arguments = ["60"]
            try process.run()
        }

        var number: UInt32 { UInt32(process.processIdentifier) }

        func end() {
            // It may have inherited that other signals are blocked.
            kill(process.processIdentifier, SIGKILL)
            process.waitUntilExit()
        }
    }

    @Test("the process of a thread that is gone is known if it was wanted and seen") func dead() throws {
        let child = try Child()
        var time: UInt64 = 1
        func processes(_ wanted: UInt32?) -> TaskProcesses { TaskProcesses(wanted: wanted) { time } }
        let (wanting, other, late) = (processes(child.number), processes(nil), processes(child.number))
        wanting.look()
        other.look()
        #expect(TaskProcesses().process(of: child.number, named: Comm("sleep")) == child.number)
        child.end()
        late.look()
        #expect(wanting.process(of: child.number, named: Comm("sleep")) == child.number)
        // What is read so late was recorded when nobody looked any more.
        time += 5_000_000_000
        #expect(wanting.process(of: child.number, named: Comm("sleep")) == child.number)
        // Its number may be another's by now.
        wanting.look()
        time += 5_000_000_000
        #expect(wanting.process(of: child.number, named: Comm("sleep")) == nil)
        #expect(other.process(of: child.number, named: Comm("sleep")) == nil)
        #expect(late.process(of: child.number, named: Comm("sleep")) == nil)
    }

    @Test("the first pid namespace is the host's, and so is none")
    func namespaces() {
        #expect(ProcessNumbers.isFirst("pid:[4026531836]"))
        #expect(ProcessNumbers.isFirst(nil))
        #expect(!ProcessNumbers.isFirst("pid:[4026532201]"))
    }
}
