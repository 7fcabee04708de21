// SPDX-License-Identifier: Apache-2.0

import Foundation
import Testing

@testable import FtraceCapture

/// A directory that looks like tracefs shows what is off.
@Suite("Switches of probes") struct ProbeSwitchesTests {
    private let root = FileManager.default.temporaryDirectory.appending(path: "switches-\(UUID().uuidString)")

    private func write(_ text: String, to file: String) throws {
        let file = root.appending(path: file)
        try FileManager.default.createDirectory(
            at: file.deletingLastPathComponent(), withIntermediateDirectories: true)
        try Data((text + "\n").utf8).write(to: file)
    }

    @Test("what others switch off of a run is named, and nothing is concluded from what cannot be read")
    func ofRun() throws {
        defer { try? FileManager.default.removeItem(at: root) }
        let switches = ProbeSwitches(tracefs: Tracefs(root: root.path), name: "run")
        func off() -> String? { switches.firstOff(of: ["fs_detach", "fs_unlock"]) }
        try write("1", to: "instances/run/tracing_on")
        try write("1*", to: "instances/run/events/run/fs_detach/enable")
        #expect(off() == nil)
        try write("0*", to: "instances/run/events/run/fs_detach/enable")
        #expect(off() == "its probe fs_detach is switched off")
        try write("0", to: "instances/run/tracing_on")
        #expect(off() == "its instance of ftrace is switched off")
    }

    @Test("what is off for the whole host is named with its file") func ofHost() throws {
        defer { try? FileManager.default.removeItem(at: root) }
        try write("1", to: "kprobes")
        let switches = ["kprobes", "none"].map { (file: root.appending(path: $0).path, what: "kprobes are") }
        #expect(ProbeSwitches.firstOff(of: switches) == nil)
        try write("0", to: "kprobes")
        #expect(
            ProbeSwitches.firstOff(of: switches)
                == "kprobes are switched off on this host (0 in \(root.path)/kprobes)")
    }
}
