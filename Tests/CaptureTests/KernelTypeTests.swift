// SPDX-License-Identifier: Apache-2.0

// An excerpt of a kernel's types is what was asked for and what lies inside of it, and nothing else; a reader of
// BTF, libbpf, understands it; damaged bytes give none.

import Testing

@testable import Capture

/// BTF that is made type by type.
private struct Types {
    private var types: [UInt8] = []
    private var strings: [UInt8] = [0]
    private(set) var count: UInt32 = 0

    /// - Returns: the type's number.
    @discardableResult
    mutating func add(_ kind: UInt32, named name: String = "", members: Int = 0, _ words: [UInt32]) -> UInt32 {
        for word in [self.name(name), kind << 24 | UInt32(members)] + words { append(word, to: &types) }
        count += 1
        return count
    }

    mutating func name(_ text: String) -> UInt32 {
        if text.isEmpty { return 0 }
        defer { strings += Array(text.utf8) + [0] }
        return UInt32(strings.count)
    }

    var bytes: [UInt8] {
        var bytes: [UInt8] = [0x9f, 0xeb, 1, 0]
        for word in [24, 0, types.count, types.count, strings.count] { append(UInt32(word), to: &bytes) }
        return bytes + types + strings
    }

    private func append(_ word: UInt32, to bytes: inout [UInt8]) {
        for shift in stride(from: 0, to: 32, by: 8) { bytes.append(UInt8(truncatingIfNeeded: word >> shift)) }
    }
}

@Suite struct KernelTypeTests {
    /// struct page { struct list list; struct page *next; struct other *other; union { int first; } };
    /// int pinned(int, const struct page *); void *forgotten(struct other *); enum flags { RED, GREEN };
    private static let kernel: [UInt8] = {
        var types = Types()
        let int = types.add(BTFKind.integer, named: "int", [4, 32])
        let other = types.add(BTFKind.structure, named: "other", members: 1, [4, types.name("value"), int, 0])
        let toOther = types.add(BTFKind.pointer, [other])
        let list = types.add(BTFKind.structure, named: "list", members: 1, [8, types.name("head"), toOther, 0])
        let anonymous = types.add(BTFKind.union, members: 1, [4, types.name("first"), int, 0])
        // Types may name later ones.
        let page = types.count + 3
        let constant = types.add(BTFKind.const, [page])
        let toPage = types.add(BTFKind.pointer, [constant])
        types.add(
            BTFKind.structure, named: "page", members: 4,
            [
                32, types.name("list"), list, 0, types.name("next"), toPage, 64, types.name("other"), toOther, 128, 0,
                anonymous, 192,
            ])
        let prototype = types.add(BTFKind.prototype, members: 2, [int, 0, int, 0, toPage])
        types.add(BTFKind.function, named: "pinned", [prototype])
        let another = types.add(BTFKind.prototype, members: 1, [0, 0, toOther])
        types.add(BTFKind.function, named: "forgotten", [another])
        types.add(
            BTFKind.enumeration, named: "flags", members: 2, [4, types.name("RED"), 0, types.name("GREEN"), 1])
        types.add(BTFKind.typedef, named: "btf_trace_removed", [types.add(BTFKind.pointer, [prototype])])
        return types.bytes
    }()

    private static let names = ["page", "pinned", "flags", "btf_trace_removed", "absent"]

    @Test("what was asked for is there, with the kernel's numbers")
    func found() throws {
        let excerpt = try #require(KernelTypeExcerpt(of: Self.kernel, names: Self.names))
        guard let types = KernelTypes(excerpt) else {
            Issue.record("libbpf does not understand it")
            return
        }
        let arguments = (types.argumentCount(of: "pinned"), types.pageArgument(of: "pinned"))
        #expect(arguments == (2, 1))
        let ids = (
            types.attachID(of: "pinned", isTracepoint: false), types.attachID(of: "removed", isTracepoint: true)
        )
        #expect(ids == (10, 15))
        let places = (
            types.size(of: "page"), types.offset(of: "next", in: "page"), types.offset(of: "first", in: "page")
        )
        #expect(places == (32, 8, 24))
        let (green, red, blue) = (
            types.value(of: "GREEN", in: "flags"), types.has(enumerator: "RED", of: "flags"),
            types.has(enumerator: "BLUE", of: "flags")
        )
        #expect(green == 1 && red && !blue)
    }

    @Test("what was not asked for is known only where it lies inside of something")
    func leftOut() throws {
        let excerpt = try #require(KernelTypeExcerpt(of: Self.kernel, names: Self.names))
        guard let types = KernelTypes(excerpt) else {
            Issue.record("libbpf does not understand it")
            return
        }
        for name in ["forgotten", "absent", "removed"] {
            let answers = (types.argumentCount(of: name), types.attachID(of: name, isTracepoint: false))
            #expect(answers == (nil, nil))
        }
        let text = String(decoding: excerpt.bytes, as: UTF8.self)
        #expect(text.contains("list") && text.contains("head"))
        // Only pointed to.
        #expect(!text.contains("value") && !text.contains("forgotten"))
        // The detector can see it.
        let all = try #require(KernelTypeExcerpt(of: Self.kernel, names: Self.names + ["other", "forgotten"]))
        let allText = String(decoding: all.bytes, as: UTF8.self)
        #expect(allText.contains("value") && allText.contains("forgotten"))
        guard let allTypes = KernelTypes(all) else {
            Issue.record("libbpf does not understand it")
            return
        }
        let count = allTypes.argumentCount(of: "forgotten")
        #expect(count == 1)
    }

    @Test("an excerpt of an excerpt is the same types")
    func again() throws {
        let first = try #require(KernelTypeExcerpt(of: Self.kernel, names: Self.names))
        let second = try #require(KernelTypeExcerpt(of: first.bytes, names: Self.names))
        #expect(second.bytes == first.bytes)
    }

    @Test("damaged bytes give no excerpt, or one that is whole")
    func damaged() throws {
        let kernel = Self.kernel
        #expect(KernelTypeExcerpt(of: [], names: Self.names) == nil)
        for count in 0..<kernel.count {
            #expect(KernelTypeExcerpt(of: Array(kernel[..<count]), names: Self.names) == nil, "\(count) bytes")
        }
        for position in kernel.indices {
            for value: UInt8 in [0, 1, 0x7f, 0xff] {
                var bytes = kernel
                bytes[position] = value
                guard let excerpt = KernelTypeExcerpt(of: bytes, names: Self.names) else { continue }
                #expect(KernelTypeExcerpt(of: excerpt.bytes, names: Self.names) != nil, "\(value) at \(position)")
            }
        }
    }

    @Test("the programs name each type of the kernel's that they are adapted to")
    func namesOfPrograms() throws {
        let names = try UnloadedObject().typeNames
        for name in ["page", "folio", "inode", "super_block", "address_space", "file", "vm_area_struct", "task_struct"]
        {
            #expect(names.contains(name), "\(name)")
        }
        #expect(names.isSuperset(of: ["pageflags", "bpf_func_id"]))
        #expect(!names.contains { $0.contains("___") })
    }
}
