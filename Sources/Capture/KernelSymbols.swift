// The running kernel's symbols, read once from /proc/kallsyms: which functions exist, under which
// names they can be probed, and where the landmarks lie that name the cause of a detach. The file has
// a quarter of a million lines, so it is read as bytes; only names that are asked for become strings.

import Events

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
    private var landmarks: [(range: Range<UInt64>, landmark: Landmarks)] = []

    /// Reads the symbols named in `wanted` and those of all landmarks.
    static func read(wanted: some Sequence<String>) -> KernelSymbols? {
        guard let bytes = readFile("/proc/kallsyms"), !bytes.isEmpty else { return nil }
        return KernelSymbols(kallsyms: bytes, wanted: wanted)
    }

    /// From the text of a kallsyms file.
    init(kallsyms bytes: [UInt8], wanted: some Sequence<String>) {
        var names: [UInt64: String] = [:]
        for name in wanted { names[Self.hash(name)] = name }
        var marks: [UInt64: Landmarks] = [:]
        for (landmark, functions) in Landmarks.functions {
            for name in functions { marks[Self.hash(name)] = landmark }
        }
        var open: [(start: UInt64, landmark: Landmarks)] = []
        var openFunctions: [(start: UInt64, name: String)] = []
        var lines = SymbolLines(bytes: bytes)
        while let line = lines.next() {
            if !open.isEmpty, line.address > open[0].start {
                for mark in open {
                    landmarks.append((mark.start..<line.address, mark.landmark))
                }
                open = []
            }
            if let first = openFunctions.first, line.address > first.start {
                for function in openFunctions { extents[function.name] = function.start..<line.address }
                openFunctions = []
            }
            if line.address != 0 { hasAddresses = true }
            let key = line.baseHash
            if let landmark = marks[key] { open.append((line.address, landmark)) }
            if let name = names[key] {
                guard line.isText else {
                    variables.insert(name)
                    continue
                }
                let full = String(decoding: bytes[line.name], as: UTF8.self)
                guard Self.isEntry(full) else { continue }
                if line.address != 0 { openFunctions.append((line.address, full)) }
                if full == name {
                    functions[name, default: []].insert(full, at: 0)
                } else {
                    functions[name, default: []].append(full)
                }
            }
        }
        landmarks = hasAddresses ? landmarks.sorted { $0.range.lowerBound < $1.range.lowerBound } : []
    }

    /// Whether a function of exactly this name exists; it must have been among those asked for.
    func has(_ name: String) -> Bool { functions[name]?.first == name }

    /// Whether there is a variable of this name; some kernels keep theirs among the functions.
    func hasVariable(_ name: String) -> Bool { variables.contains(name) || has(name) }

    /// The landmark in which an address of a kernel stack lies.
    func landmark(at address: UInt64) -> Landmarks {
        var (low, high) = (0, landmarks.count)
        while low < high {
            let middle = (low + high) / 2
            if landmarks[middle].range.upperBound <= address {
                low = middle + 1
            } else if landmarks[middle].range.lowerBound > address {
                high = middle
            } else {
                return landmarks[middle].landmark
            }
        }
        return []
    }

    /// Whether a symbol is a whole function: suffixes of the compiler's clones are, parts are not.
    private static func isEntry(_ symbol: String) -> Bool {
        symbol.split(separator: ".").dropFirst().allSatisfy {
            $0 == "isra" || $0 == "constprop" || $0.allSatisfy(\.isNumber)
        }
    }

    // FNV-1a, a byte at a time.
    fileprivate static let hashSeed: UInt64 = 0xcbf2_9ce4_8422_2325
    fileprivate static func hash(_ sum: UInt64, _ byte: UInt8) -> UInt64 {
        (sum ^ UInt64(byte)) &* 0x100_0000_01b3
    }
    private static func hash(_ name: String) -> UInt64 { name.utf8.reduce(hashSeed, hash) }
}

/// One line of kallsyms: "ffffffff81000000 T name".
private struct SymbolLine {
    var address: UInt64
    /// The whole name in the buffer.
    var name: Range<Int>
    /// Hash of the name before the first dot.
    var baseHash: UInt64
    var isText: Bool
}

/// The lines of the core kernel; those of modules follow and name theirs after a tab.
private struct SymbolLines {
    let bytes: [UInt8]
    var position = 0

    mutating func next() -> SymbolLine? {
        var address: UInt64 = 0
        while position < bytes.count, case let byte = bytes[position], byte != UInt8(ascii: " ") {
            let digit = byte < 0x40 ? byte &- 0x30 : (byte | 0x20) &- 0x61 &+ 10
            address = address << 4 | UInt64(digit & 15)
            position += 1
        }
        guard position + 3 < bytes.count else { return nil }
        let type = bytes[position + 1] | 0x20
        let start = position + 3
        var end = start
        var hash = KernelSymbols.hashSeed
        var isBase = true
        while end < bytes.count, case let byte = bytes[end], byte != 0x0a, byte != 0x09 {
            if byte == UInt8(ascii: "."), end > start { isBase = false }
            if isBase { hash = KernelSymbols.hash(hash, byte) }
            end += 1
        }
        position = end
        while position < bytes.count, bytes[position] != 0x0a { position += 1 }
        position += 1
        return SymbolLine(
            address: address, name: start..<end, baseHash: hash,
            isText: type == UInt8(ascii: "t") || type == UInt8(ascii: "w"))
    }
}
