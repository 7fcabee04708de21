// SPDX-License-Identifier: Apache-2.0

// Where names stand among events: where the kernel side sent them, ahead of the events that need them, and only when
// they are new.

import CRecords
import Events
import Testing

@testable import Capture
@testable import Live

@Suite struct NameOrderTests {
    private func name(_ text: String, inode: UInt64 = 12) -> [UInt8] {
        var head = fs_name()
        head.h.kind = UInt16(FS_NAME.rawValue)
        head.h.size = UInt16(NamedFile.recordBytes)
        (head.inode, head.facts, head.bytes) = (inode, FS_NAME_COMPLETE, UInt32(text.utf8.count + 1))
        return NamedFileTests.record(head, Array(text.utf8) + [0])
    }

    private func detach(at time: UInt64) -> [UInt8] {
        var detach = fs_detach()
        detach.h.kind = UInt16(FS_DETACH.rawValue)
        detach.h.size = UInt16(MemoryLayout<fs_detach>.size)
        (detach.h.time, detach.page, detach.via) = (time, 7, 1)
        return unsafe withUnsafeBytes(of: detach) { unsafe Array($0) }
    }

    /// A lookup in that file, whose name did not come.
    private func lookupWithoutName(at time: UInt64) -> [UInt8] {
        var lookup = fs_lookup()
        lookup.h.kind = UInt16(FS_LOOKUP.rawValue)
        lookup.h.size = UInt16(MemoryLayout<fs_lookup>.size)
        (lookup.h.time, lookup.page.page, lookup.page.inode, lookup.page.name_is_stale) = (time, 7, 12, 1)
        return unsafe withUnsafeBytes(of: lookup) { unsafe Array($0) }
    }

    /// A word for each event: the path of a name, or the time.
    private func decoded(_ records: [[UInt8]]) -> [String] {
        var decoder = RecordDecoder(
            names: StackNames(kallsyms: []), kernelAddresses: true, resolver: NameResolver())
        var events: [Event] = []
        unsafe records.flatMap { $0 }.withUnsafeBytes { unsafe decoder.decode($0, into: &events) }
        return events.map { event in
            if case .name(let name) = event { name.text } else { "\(event.time ?? 0)" }
        }
    }

    @Test("a name is emitted where it came, once")
    func once() {
        #expect(decoded([name("a"), detach(at: 5), name("a"), detach(at: 6)]) == ["/a", "5", "6"])
    }

    @Test("a renamed file is named again, and files do not share names")
    func renamed() {
        #expect(decoded([name("a"), name("b"), name("b")]) == ["/a", "/b"])
        #expect(decoded([name("a"), name("a", inode: 13)]) == ["/a", "/a"])
    }

    @Test("a lookup in a file whose name did not come withdraws the last name of its inode number, once")
    func stale() {
        #expect(
            decoded([name("a"), lookupWithoutName(at: 5), lookupWithoutName(at: 6), name("a")])
                == ["/a", "", "5", "6", "/a"])
    }
}
