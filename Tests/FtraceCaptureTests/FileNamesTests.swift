// SPDX-License-Identifier: Apache-2.0

// Paths that are read from /proc after the event: a number of an inode is given again, and then the path of its former file
// must not be shown.

import EventSamples
import Events
import Testing

@testable import FtraceCapture

@Suite("Names of files without BPF") struct FileNamesTests {
    /// What each process maps at the sample's page.
    private final class Maps {
        var paths: [UInt32: String] = [:]
        var ended: Set<UInt32> = []

        /// Names after the sample's detach.
        func names() -> FileNames {
            var names = FileNames { [self] file, _, _, process in
                if ended.contains(process) { return .gone }
                return paths[process].map { .name(Name(subject: .file(file), text: $0)) } ?? .notMapped
            }
            names.take(.sample())
            return names
        }
    }

    private static func lookup(of process: UInt32, at seconds: UInt64) -> Lookup {
        var lookup = Lookup.sample()
        lookup.victim.pid = process
        lookup.time = seconds * 1_000_000_000
        return lookup
    }

    @Test("a name is emitted once") func once() {
        let maps = Maps()
        var names = maps.names()
        maps.paths = [1: "/a"]
        #expect(names.name(for: Self.lookup(of: 1, at: 1))?.text == "/a")
        for second: UInt64 in 1...5 {
            #expect(names.name(for: Self.lookup(of: 1, at: second)) == nil)
        }
    }

    @Test("the path of a former file is taken back where that of the next one is not found") func reusedNumber() {
        let maps = Maps()
        var names = maps.names()
        maps.paths = [1: "/former"]
        #expect(names.name(for: Self.lookup(of: 1, at: 1))?.text == "/former")
        #expect(names.name(for: Self.lookup(of: 2, at: 1))?.text == "")
        #expect(names.name(for: Self.lookup(of: 2, at: 1)) == nil)
        maps.paths = [2: "/next"]
        #expect(names.name(for: Self.lookup(of: 2, at: 3))?.text == "/next")
    }

    @Test("between a detach and its lookup there may be others, also of the same page")
    func otherDetaches() {
        let maps = Maps()
        var names = maps.names()
        maps.paths = [1: "/a"]
        var other = Detach.sample()
        other.page = PageID(rawValue: other.page.rawValue + 64)
        names.take(other)
        other = .sample()
        other.time += 1
        names.take(other)
        #expect(names.name(for: Self.lookup(of: 1, at: 1))?.text == "/a")
    }

    @Test("a process that maps another file of this number has the new path after a second") func sameProcess() {
        let maps = Maps()
        var names = maps.names()
        maps.paths = [1: "/former"]
        #expect(names.name(for: Self.lookup(of: 1, at: 1))?.text == "/former")
        maps.paths = [1: "/next"]
        #expect(names.name(for: Self.lookup(of: 1, at: 3))?.text == "/next")
    }

    @Test("what a process mapped stays known when it has ended") func ended() {
        let maps = Maps()
        var names = maps.names()
        maps.paths = [1: "/a"]
        #expect(names.name(for: Self.lookup(of: 1, at: 1))?.text == "/a")
        maps.ended = [1]
        #expect(names.name(for: Self.lookup(of: 1, at: 3)) == nil)
    }

    @Test("a process that lives and maps the file no more takes the path back") func unmapped() {
        let maps = Maps()
        var names = maps.names()
        maps.paths = [1: "/a"]
        #expect(names.name(for: Self.lookup(of: 1, at: 1))?.text == "/a")
        maps.paths = [:]
        #expect(names.name(for: Self.lookup(of: 1, at: 3))?.text == "")
    }
}
