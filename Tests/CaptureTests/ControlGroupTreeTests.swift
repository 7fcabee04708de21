// SPDX-License-Identifier: Apache-2.0

// Directories stand for control groups here: both have the number of their inode.

import Foundation
import Glibc
import Testing

@testable import Capture

@Suite("Control groups by number") struct ControlGroupTreeTests {
    private func withTree(_ body: (_ root: String, _ number: UInt64) throws -> Void) throws {
        let root = "/tmp/futexscope-groups-\(getpid())-\(UInt32.random(in: 0 ... .max))"
        try FileManager.default.createDirectory(
            atPath: root + "/system.slice/app.service/worker", withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(atPath: root) }
        var status = stat()
        try #require(unsafe stat(root + "/system.slice/app.service/worker", &status) == 0)
        try body(root, UInt64(status.st_ino))
    }

    @Test("a group is found by its number, at most once in a second") func found() throws {
        try withTree { root, number in
            var tree = ControlGroupTree(root: root, isUnified: true)
            #expect(tree.path(of: number, at: 5_000_000_000) == "/system.slice/app.service/worker")
            #expect(tree.path(of: number, at: 5_500_000_000) == nil)
            #expect(tree.path(of: number, at: 6_000_000_000) == "/system.slice/app.service/worker")
        }
    }

    @Test("a number that no group has, and a host of the first version, give nothing") func nothing() throws {
        try withTree { root, number in
            var tree = ControlGroupTree(root: root, isUnified: true)
            #expect(tree.path(of: .max, at: 1) == nil)
            var other = ControlGroupTree(root: root, isUnified: false)
            #expect(other.path(of: number, at: 1) == nil)
        }
    }
}
