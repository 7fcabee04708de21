// SPDX-License-Identifier: Apache-2.0

// Where names stand among events: ahead of the first that needs them, and of the detach that a lookup met.

import CRecords
import Events
import Glibc
import System
import Testing

@testable import Capture

@Suite struct NameOrderTests {
    /// What a lookup of this process would have met in a page of this program's own file, and that file's path.
    func ownPage() throws -> (lookup: fs_lookup, path: String) {
        let maps = try #require(readText("/proc/self/maps"))
        let line = try #require(maps.split(separator: "\n").first { $0.contains("/") })
        let address = try #require(line.split(separator: "-").first.flatMap { UInt64($0, radix: 16) })
        let area = try #require(MemoryArea(at: address, maps: maps))
        var lookup = fs_lookup()
        lookup.h.kind = UInt16(FS_LOOKUP.rawValue)
        lookup.h.size = UInt16(MemoryLayout<fs_lookup>.size)
        (lookup.h.time, lookup.uaddr, lookup.pid) = (600, address, UInt32(getpid()))
        (lookup.page.page, lookup.page.detach_time) = (7, 500)
        (lookup.page.dev, lookup.page.inode) = (area.file.device, area.file.inode)
        lookup.page.index = area.pageIndex(of: address)
        return (lookup, area.text)
    }

    func detach(of page: UInt64, at time: UInt64) -> fs_detach {
        var detach = fs_detach()
        detach.h.kind = UInt16(FS_DETACH.rawValue)
        detach.h.size = UInt16(MemoryLayout<fs_detach>.size)
        (detach.h.time, detach.page, detach.via) = (time, page, 1)
        return detach
    }

    /// A word for each event: the path of a name, or the time.
    func told(_ detach: fs_detach, _ lookups: [fs_lookup]) -> [String] {
        var decoder = RecordDecoder(
            names: StackNames(kallsyms: []), kernelAddresses: true, resolver: NameResolver())
        var (bytes, events): ([UInt8], [Event]) = ([], [])
        // Copies that live over each call.
        unsafe withUnsafeBytes(of: detach) { unsafe bytes.append(contentsOf: $0) }
        for lookup in lookups { unsafe withUnsafeBytes(of: lookup) { unsafe bytes.append(contentsOf: $0) } }
        unsafe bytes.withUnsafeBytes { unsafe decoder.decode($0, into: &events) }
        return events.map { event in
            if case .name(let name) = event { name.text } else { "\(event.time ?? 0)" }
        }
    }

    @Test("the name of the file goes ahead of the detach that the lookup met, once")
    func met() throws {
        let (lookup, path) = try ownPage()
        #expect(told(detach(of: 7, at: 500), [lookup, lookup]) == [path, "500", "600", "600"])
    }

    @Test("a detach that the lookup did not meet stays ahead of its names")
    func notMet() throws {
        let (lookup, path) = try ownPage()
        #expect(told(detach(of: 7, at: 400), [lookup]) == ["400", path, "600"])
        #expect(told(detach(of: 8, at: 500), [lookup]) == ["500", path, "600"])
    }
}
