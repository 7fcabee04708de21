// SPDX-License-Identifier: Apache-2.0

// Which functions the running kernel has, under which names they can be probed, and where they are. The kernel writes
// /proc/kallsyms, a quarter of a million lines, again for each reader; that could take most of the time of a start. So
// the kernel is asked for single names where it answers (SymbolQuery.swift). Otherwise the file is read as bytes.

import Events
import System

/// The symbols that the capture asked for.
struct KernelSymbols: Sendable {
    /// Symbols in the text section by the name before the first dot: the name itself comes first, then
    /// `.isra.0`, `.constprop.0` and their like. Parts that are no entry (`.cold`, `.part`) are left out.
    private(set) var functions: [String: [String]] = [:]
    /// Names that were asked for and are no functions.
    private(set) var variables: Set<String> = []
    /// False when the kernel hides its addresses, so that stacks cannot be named.
    private(set) var hasAddresses = false
    /// From the start of each of `functions` to the next symbol; empty without addresses.
    private(set) var extents: [String: Range<UInt64>] = [:]

    /// Reads the symbols named in `wanted`.
    static func read(wanted: [String]) -> KernelSymbols? {
        guard let bytes = readFile("/proc/kallsyms"), !bytes.isEmpty else { return nil }
        return KernelSymbols(kallsyms: bytes, wanted: wanted)
    }

    /// Asks for the functions named in `wanted`. Nil where all of one of the `groups` are missing, since one of
    /// them may be there as a compiler's clone.
    init?(asking question: SymbolQuery, wanted: [String], groups: [[String]]) {
        hasAddresses = true
        for name in wanted {
            guard let extent = question.extent(of: name) else { continue }
            functions[name] = [name]
            extents[name] = extent
        }
        guard groups.allSatisfy({ $0.contains(where: has) }) else { return nil }
    }

    /// From the text of a kallsyms file.
    init(kallsyms bytes: [UInt8], wanted: [String]) {
        let names = SymbolNames(wanted)
        var open: [(start: UInt64, name: String)] = []
        SymbolText(bytes).forEach(in: names) { address in
            if let first = open.first, address > first.start {
                for function in open { extents[function.name] = function.start..<address }
                open = []
            }
            if address != 0 { hasAddresses = true }
            return !open.isEmpty || !hasAddresses
        } found: { symbol in
            guard symbol.isText else {
                variables.insert(symbol.base)
                return false
            }
            guard Self.isEntry(symbol.name) else { return false }
            if symbol.address != 0 { open.append((symbol.address, symbol.name)) }
            if symbol.name == symbol.base {
                functions[symbol.base, default: []].insert(symbol.name, at: 0)
            } else {
                functions[symbol.base, default: []].append(symbol.name)
            }
            return !open.isEmpty
        }
    }

    /// Whether a function of exactly this name exists; it must have been among those asked for.
    func has(_ name: String) -> Bool { functions[name]?.first == name }

    /// Whether there is a variable of this name; some kernels keep theirs among the functions.
    func hasVariable(_ name: String) -> Bool { variables.contains(name) || has(name) }

    /// Whether a symbol is a whole function: suffixes of the compiler's clones are, parts are not.
    private static func isEntry(_ symbol: String) -> Bool {
        symbol.split(separator: ".").dropFirst().allSatisfy {
            $0 == "isra" || $0 == "constprop" || $0.allSatisfy(\.isNumber)
        }
    }
}

/// Names that are searched for, with a filter that rejects nearly all others by their first four bytes.
struct SymbolNames {
    private var names: Set<String> = []
    /// By the first four bytes: which lengths names with them have, a bit for each.
    private var lengths = [UInt64](repeating: 0, count: 1 << 12)

    /// Names of at least four bytes.
    init(_ wanted: [String]) {
        for name in wanted {
            names.insert(name)
            var head: UInt32 = 0
            for (position, byte) in name.utf8.prefix(4).enumerated() { head |= UInt32(byte) << (8 * position) }
            lengths[Self.place(of: head)] |= Self.bit(name.utf8.count)
        }
    }

    private static func place(of head: UInt32) -> Int { Int((head &* 0x9e37_79b1) >> 20) }

    private static func bit(_ length: Int) -> UInt64 { 1 << UInt64(min(length, 63)) }

    /// Whether a name with these first bytes, the first one lowest, can be one of them.
    @inline(__always) func mayHave(_ head: UInt32) -> Bool { lengths[Self.place(of: head)] != 0 }

    /// The same for a name of which the length is known too.
    @inline(__always) func mayHave(_ head: UInt32, length: Int) -> Bool {
        lengths[Self.place(of: head)] & Self.bit(length) != 0
    }

    func has(_ name: String) -> Bool { names.contains(name) }
}

/// The text of /proc/kallsyms: "ffffffff81000000 T name" in each line, those of modules with a tab and the
/// module's name behind it.
struct SymbolText {
    struct Symbol {
        var address: UInt64
        var name: String
        /// Before the first dot.
        var base: String
        var isText: Bool
    }

    private static let nameOffset = 19
    private let bytes: [UInt8]

    init(_ bytes: [UInt8]) { self.bytes = bytes }

    /// Calls `found` for each symbol whose base is one of `names`. As long as the last of these calls returned true,
    /// `passed` is called with the address of each following line, found or not.
    func forEach(
        in names: SymbolNames, passed: (UInt64) -> Bool, found: (Symbol) -> Bool
    ) {
        var wantsAddress = true
        unsafe bytes.withUnsafeBytes { text in
            var start = 0
            // A line has an address of 16 digits, a letter, and a name of at least four bytes or nobody's.
            while start + Self.nameOffset + 4 <= text.count, unsafe text[start + 16] == UInt8(ascii: " ") {
                let name = start + Self.nameOffset
                // Four bytes lie there, by the comparison above.
                let head = unsafe UInt32(littleEndian: text.loadUnaligned(fromByteOffset: name, as: UInt32.self))
                let end = unsafe Self.lineEnd(in: text, from: name)
                if wantsAddress { wantsAddress = passed(unsafe Self.address(in: text, at: start)) }
                if names.mayHave(head) {
                    let line = unsafe UnsafeRawBufferPointer(rebasing: text[name..<end])
                    let full = unsafe String(decoding: line.prefix { $0 != UInt8(ascii: "\t") }, as: UTF8.self)
                    let base = full.utf8.firstIndex(of: UInt8(ascii: ".")).map { String(full[..<$0]) } ?? full
                    if names.has(base) {
                        let type = unsafe text[start + 17] | 0x20
                        let symbol = Symbol(
                            address: unsafe Self.address(in: text, at: start), name: full, base: base,
                            isText: type == UInt8(ascii: "t") || type == UInt8(ascii: "w"))
                        wantsAddress = found(symbol) || wantsAddress
                    }
                }
                start = end + 1
            }
        }
    }

    /// Calls `body` with the address of each function and with where its name is in the text, in the order of the text.
    func forEachFunction(_ body: (UInt64, Range<Int>) -> Void) {
        unsafe bytes.withUnsafeBytes { text in
            var start = 0
            while start + Self.nameOffset < text.count, unsafe text[start + 16] == UInt8(ascii: " ") {
                let name = start + Self.nameOffset
                let end = unsafe Self.lineEnd(in: text, from: name)
                let type = unsafe text[start + 17] | 0x20
                if type == UInt8(ascii: "t") || type == UInt8(ascii: "w") {
                    var length = 0
                    while name + length < end, unsafe text[name + length] != UInt8(ascii: "\t") { length += 1 }
                    body(unsafe Self.address(in: text, at: start), name..<name + length)
                }
                start = end + 1
            }
        }
    }

    /// Whether the first lines of the text show an address.
    static func showsAddresses(_ beginning: [UInt8]) -> Bool {
        var shows = false
        SymbolText(beginning).forEach(in: SymbolNames([])) { address in
            shows = shows || address != 0
            return !shows
        } found: { _ in
            false
        }
        return shows
    }

    private static func lineEnd(in text: UnsafeRawBufferPointer, from start: Int) -> Int {
        var end = start
        while unsafe end < text.count && text[end] != 0x0a { end += 1 }
        return end
    }

    private static func address(in text: UnsafeRawBufferPointer, at start: Int) -> UInt64 {
        var address: UInt64 = 0
        for position in start..<start + 16 {
            let byte = unsafe text[position]
            let digit = byte < 0x40 ? byte &- 0x30 : (byte | 0x20) &- 0x61 &+ 10
            address = address << 4 | UInt64(digit & 15)
        }
        return address
    }
}
