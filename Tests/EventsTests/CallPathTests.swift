// SPDX-License-Identifier: Apache-2.0

// Call paths: what is kept of a stack, and that names and their table are bounded.

import Events
import Testing

@Suite("Call paths") struct CallPathTests {
    @Test("a path goes from the outermost to the innermost function")
    func order() {
        let path = CallPath(stack: ["__filemap_remove_folio", "vfs_fallocate", "entry_SYSCALL_64_after_hwframe"])
        #expect(path?.text == "entry_SYSCALL_64_after_hwframe;vfs_fallocate;__filemap_remove_folio")
        #expect(path?.functions.last == "__filemap_remove_folio")
    }

    @Test("what the tracer has put on the stack is left out, with what has no name below it")
    func machinery() {
        let stack: [String?] = [
            nil, "bpf_prog_64b_detach", "bpf_trampoline_6442", "__traceiter_mm_filemap_delete_from_page_cache", nil,
            "__filemap_remove_folio", nil, "evict",
        ]
        #expect(CallPath(stack: stack)?.text == "evict;[unknown];__filemap_remove_folio")
        // A function of a culprit that runs a program further out stays.
        let outer = [String?](repeating: "shrink_node", count: 12) + ["bpf_prog_x"]
        #expect(CallPath(stack: outer)?.functions.first == "bpf_prog_x")
    }

    @Test("a stack without a name has no path")
    func nameless() {
        #expect(CallPath(stack: []) == nil)
        #expect(CallPath(stack: [nil, nil]) == nil)
        #expect(CallPath(stack: ["bpf_prog_x", "bpf_trampoline_1"]) == nil)
    }

    @Test("a stack that goes on says so, also where it is longer than a path")
    func cut() {
        #expect(CallPath(stack: ["a", "b"], isCut: true)?.text == "[cut];b;a")
        let long = CallPath(stack: (0..<100).map { "f\($0)" })
        #expect(long?.functions.count == CallPath.depthLimit + 1)
        #expect(long?.functions.first == "[cut]" && long?.functions.last == "f0")
    }

    @Test("a name is a name: no suffix, separator, blank or escape, and not long")
    func names() {
        #expect(
            CallPath(stack: ["shrink_node.isra.0", ".hidden", "a;b\u{1b}[m c\nd"])?.text
                == "a?b?[m?c?d;.hidden;shrink_node")
        #expect(CallPath(stack: [String(repeating: "x", count: 10_000)])?.text.utf8.count == 120)
        // The longest path fits into a record.
        let longest = CallPath(stack: (0..<99).map { "\($0)" + String(repeating: "y", count: 200) })
        #expect((longest?.text.utf8.count ?? 0) < 3600)
    }

    @Test("a path has one number and is named once, until the table was emptied")
    func table() throws {
        var table = CallPathTable()
        let paths = try (0..<CallPathTable.limit).map { try #require(CallPath(stack: ["f\($0)"])) }
        let first = paths.map { table.number(of: $0) }
        #expect(Set(first.map(\.id)).count == paths.count && first.allSatisfy { $0.name != nil && !$0.id.isNone })
        #expect(table.isFull)
        let again = paths.map { table.number(of: $0) }
        #expect(again.map(\.id) == first.map(\.id) && again.allSatisfy { $0.name == nil })
        table.removeAll()
        let later = table.number(of: paths[0])
        #expect(later.name?.text == "f0" && !first.map(\.id).contains(later.id))
    }

    @Test("files do not push call paths out, and the number of paths kept is bounded")
    func kept() {
        var names = Names(limit: 4)
        names.learn(Name(subject: .callPath(CallPathID(rawValue: 1)), text: "a;b"))
        for inode in UInt64(0)..<100 {
            names.learn(Name(subject: .file(FileID(device: 1, inode: inode)), text: "/\(inode)"))
        }
        #expect(names.callPath(CallPathID(rawValue: 1))?.functions == ["a", "b"])
        #expect(names.callPath(.none) == nil)
        for id in UInt32(2)...UInt32(CallPathTable.limit) + 1 {
            names.learn(Name(subject: .callPath(CallPathID(rawValue: id)), text: "x"))
        }
        #expect(names.callPath(CallPathID(rawValue: 1)) == nil)
        #expect(names.all.count == 4 + CallPathTable.limit)
    }
}
