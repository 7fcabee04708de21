// SPDX-License-Identifier: Apache-2.0

// The few of the kernel's types that somebody asks for, as BTF of their own. The kernel has more than a hundred
// thousand types, and libbpf searches all of them for each name: its relocations and attachments would take most of the
// time of a start. So this file reads the kernel's bytes once. It keeps the types whose names are wanted and the types
// inside them. A type to which only a pointer leads is left out, unless it is wanted itself.

/// BTF with the types of some names, and what the kernel's numbers of these types are.
struct KernelTypeExcerpt: Sendable {
    /// A type that was asked for by its name.
    struct Found: Sendable {
        /// BTF_KIND_*.
        var kind: UInt32
        /// In the kernel's own BTF.
        var kernelID: UInt32
        /// In `bytes`.
        var id: UInt32
    }

    /// BTF with its header, as a file of it has it.
    private(set) var bytes: [UInt8] = []
    /// By name, in the kernel's order.
    private(set) var found: [String: [Found]] = [:]

    /// Nil when these bytes are not BTF or have a kind of type that is not known here.
    /// - Parameters:
    ///   - btf: all of the kernel's BTF, as /sys/kernel/btf/vmlinux has it.
    ///   - names: names of at least four bytes; shorter ones are not found.
    init?(of btf: [UInt8], names: some Sequence<String>) {
        guard let source = BTFSource(btf) else { return nil }
        let wanted = SymbolNames(names.filter { $0.utf8.count >= 4 })
        guard let places = source.places(of: wanted) else { return nil }
        var copy = BTFCopy(source: source, places: places)
        for place in places.wanted {
            let kind = BTFKind.of(source.word(at: place.offset + 4))
            let entry = Found(kind: kind, kernelID: place.id, id: copy.number(of: place.id))
            found[place.name, default: []].append(entry)
        }
        guard copy.finish() else { return nil }
        bytes = copy.bytes()
    }

    /// The first type of this kind and name.
    func type(_ name: String, _ kind: UInt32) -> Found? { found[name]?.first { $0.kind == kind } }
}

/// BTF_KIND_* of linux/btf.h, which Swift sees both as macros and as enumerators.
enum BTFKind {
    static let integer: UInt32 = 1
    static let pointer: UInt32 = 2
    static let array: UInt32 = 3
    static let structure: UInt32 = 4
    static let union: UInt32 = 5
    static let enumeration: UInt32 = 6
    static let typedef: UInt32 = 8
    static let volatile: UInt32 = 9
    static let const: UInt32 = 10
    static let restrict: UInt32 = 11
    static let function: UInt32 = 12
    static let prototype: UInt32 = 13
    static let section: UInt32 = 15
    static let typeTag: UInt32 = 18
    static let enumeration64: UInt32 = 19

    static func of(_ info: UInt32) -> UInt32 { info >> 24 & 0x1f }

    /// Bytes behind the three words that each type begins with; nil for a kind that is not known.
    static func size(_ info: UInt32) -> Int? {
        let kind = Int(of(info))
        guard kind < fixed.count else { return nil }
        return Int(fixed[kind]) + Int(perMember[kind]) * Int(info & 0xffff)
    }

    /// By kind, which begins with 1.
    private static let fixed: [UInt8] = [0, 4, 0, 12, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 4, 0, 0, 4, 0, 0]
    private static let perMember: [UInt8] = [0, 0, 0, 0, 12, 12, 8, 0, 0, 0, 0, 0, 0, 8, 0, 12, 0, 0, 0, 12]
}

/// The kernel's BTF as it lies in memory.
private struct BTFSource {
    let bytes: [UInt8]
    private var types = 0..<0
    private var strings = 0..<0

    init?(_ bytes: [UInt8]) {
        self.bytes = bytes
        guard bytes.count >= 24, bytes[0] == 0x9f, bytes[1] == 0xeb else { return nil }
        func part(_ position: Int) -> Range<Int>? {
            let begin = Int(word(at: 4)) + Int(word(at: position))
            let end = begin + Int(word(at: position + 4))
            return end <= bytes.count ? begin..<end : nil
        }
        guard let types = part(8), let strings = part(16), !strings.isEmpty, bytes[strings.upperBound - 1] == 0
        else { return nil }
        self.types = types
        self.strings = strings
    }

    func word(at offset: Int) -> UInt32 {
        unsafe bytes.withUnsafeBytes { bytes in
            precondition(offset >= 0 && offset + 4 <= bytes.count)
            return unsafe UInt32(littleEndian: bytes.loadUnaligned(fromByteOffset: offset, as: UInt32.self))
        }
    }

    /// The bytes of a name, without the zero behind it.
    func name(at offset: UInt32) -> ArraySlice<UInt8> {
        let start = min(strings.lowerBound + Int(offset), strings.upperBound - 1)
        return bytes[start..<(bytes[start...].firstIndex(of: 0) ?? start)]
    }

    struct Places {
        /// Of each type by its number, in `bytes`; 0 is no type.
        var offsets: [UInt32]
        /// Types with a wanted name that can be asked for.
        var wanted: [(name: String, id: UInt32, offset: Int)]
    }

    /// Nil when there is a kind of type that is not known, or one is cut off.
    func places(of names: SymbolNames) -> Places? {
        var offsets: [UInt32] = [0]
        var wanted: [(name: String, id: UInt32, offset: Int)] = []
        offsets.reserveCapacity(types.count / 16)
        let isComplete = unsafe bytes.withUnsafeBytes { bytes in
            var offset = types.lowerBound
            while offset + 12 <= types.upperBound {
                // Three words lie there, by the comparison above.
                let name = unsafe Int(bytes.loadUnaligned(fromByteOffset: offset, as: UInt32.self))
                let info = unsafe bytes.loadUnaligned(fromByteOffset: offset + 4, as: UInt32.self)
                guard let size = BTFKind.size(info) else { return false }
                if name != 0, name + 4 <= strings.count, Self.canBeWanted(BTFKind.of(info)) {
                    // Four bytes of the strings lie there, likewise.
                    let head = unsafe bytes.loadUnaligned(fromByteOffset: strings.lowerBound + name, as: UInt32.self)
                    if names.mayHave(head), case let text = self.name(at: UInt32(name)),
                        names.mayHave(head, length: text.count),
                        case let text = String(decoding: text, as: UTF8.self), names.has(text)
                    {
                        wanted.append((text, UInt32(offsets.count), offset))
                    }
                }
                offsets.append(UInt32(offset))
                offset += 12 + size
            }
            return offset == types.upperBound
        }
        return isComplete ? Places(offsets: offsets, wanted: wanted) : nil
    }

    private static func canBeWanted(_ kind: UInt32) -> Bool {
        kind == BTFKind.function || kind == BTFKind.structure || kind == BTFKind.union || kind == BTFKind.typedef
            || kind == BTFKind.enumeration || kind == BTFKind.enumeration64
    }
}

/// New BTF that is built type by type. A type gets its number when it is first named, and types are written in that
/// order.
private struct BTFCopy {
    private let source: BTFSource
    private let offsets: [UInt32]
    /// Structures and unions that pointers may lead to.
    private let roots: Set<UInt32>
    private var numbers: [UInt32: UInt32] = [:]
    private var queue: [UInt32] = []
    private var types: [UInt8] = []
    private var strings: [UInt8] = [0]

    init(source: BTFSource, places: BTFSource.Places) {
        (self.source, offsets) = (source, places.offsets)
        roots = Set(
            places.wanted.filter {
                let kind = BTFKind.of(source.word(at: $0.offset + 4))
                return kind == BTFKind.structure || kind == BTFKind.union
            }.map(\.id))
    }

    /// The new number of one of the source's types, which will be copied.
    mutating func number(of id: UInt32) -> UInt32 {
        if id == 0 { return 0 }
        if let number = numbers[id] { return number }
        queue.append(id)
        numbers[id] = UInt32(queue.count)
        return UInt32(queue.count)
    }

    /// Copies whatever has a number. False when a number has no type.
    mutating func finish() -> Bool {
        var position = 0
        while position < queue.count {
            guard queue[position] < offsets.count else { return false }
            write(at: Int(offsets[Int(queue[position])]))
            position += 1
        }
        return true
    }

    func bytes() -> [UInt8] {
        var bytes: [UInt8] = [0x9f, 0xeb, 1, 0]
        for word in [24, 0, types.count, types.count, strings.count] { Self.append(UInt32(word), to: &bytes) }
        return bytes + types + strings
    }

    private mutating func write(at offset: Int) {
        func word(_ position: Int) -> UInt32 { source.word(at: offset + 4 * position) }
        let info = word(1)
        let kind = BTFKind.of(info)
        let end = 3 + (BTFKind.size(info) ?? 0) / 4
        append(name(word(0)))
        append(info)
        switch kind {
        case BTFKind.pointer: append(pointee(word(2)))
        case BTFKind.typedef, BTFKind.volatile, BTFKind.const, BTFKind.restrict, BTFKind.function, BTFKind.prototype,
            BTFKind.typeTag:
            append(number(of: word(2)))
        default: append(word(2))
        }
        let member = Self.member(of: kind)
        for position in 3..<max(3, end) {
            switch member[(position - 3) % member.count] {
            case .name: append(name(word(position)))
            case .type: append(number(of: word(position)))
            case .plain: append(word(position))
            }
        }
    }

    private enum Word { case name, type, plain }

    /// What the words of each member are, or all that stands behind the first three words.
    private static func member(of kind: UInt32) -> [Word] {
        switch kind {
        case BTFKind.structure, BTFKind.union: [.name, .type, .plain]
        case BTFKind.prototype: [.name, .type]
        case BTFKind.array: [.type, .type, .plain]
        case BTFKind.enumeration: [.name, .plain]
        case BTFKind.enumeration64: [.name, .plain, .plain]
        default: [.plain]
        }
    }

    /// What a pointer leads to if that was asked for, and nothing otherwise.
    private mutating func pointee(_ id: UInt32) -> UInt32 {
        var id = id
        // A kernel's types have a handful of names and qualifiers one around the other.
        for _ in 0..<16 {
            guard id != 0, id < offsets.count else { return 0 }
            if roots.contains(id) { return number(of: id) }
            let offset = Int(offsets[Int(id)])
            switch BTFKind.of(source.word(at: offset + 4)) {
            case BTFKind.typedef, BTFKind.volatile, BTFKind.const, BTFKind.restrict, BTFKind.typeTag:
                id = source.word(at: offset + 8)
            default: return 0
            }
        }
        return 0
    }

    private mutating func name(_ offset: UInt32) -> UInt32 {
        if offset == 0 { return 0 }
        let place = UInt32(strings.count)
        strings.append(contentsOf: source.name(at: offset))
        strings.append(0)
        return place
    }

    private mutating func append(_ word: UInt32) { Self.append(word, to: &types) }

    private static func append(_ word: UInt32, to bytes: inout [UInt8]) {
        for shift in [0, 8, 16, 24] as [UInt32] { bytes.append(UInt8(truncatingIfNeeded: word >> shift)) }
    }
}
