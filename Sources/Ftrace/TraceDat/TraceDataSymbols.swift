// SPDX-License-Identifier: Apache-2.0

// Which function an address belongs to, by the copy of /proc/kallsyms in a trace.dat. A few hundred addresses are
// looked up among several hundred thousand functions. So the places of the functions are sorted, and a name is read
// once, when it is needed.

/// The functions of a kernel.
struct KernelSymbols {
    /// One function.
    struct Function {
        var frame: Frame
        /// Whether it is get_futex_key, or a part of it that a compiler has split off.
        var isFutexCall = false
    }

    private struct Place {
        var address: UInt64
        /// Where its line begins.
        var line: UInt32
    }

    private let text: [UInt8]
    private var places: [Place] = []
    private var known: [UInt64: Function?] = [:]
    private let names: KnownNames

    /// The contents of /proc/kallsyms, "ffffffff81000000 T function [module]" in each line, at most 4 GB; then the
    /// padding of `TraceText`.
    init(kallsyms text: [UInt8], names: KnownNames) {
        (self.text, self.names) = (text, names)
        places = TraceText.reading(padded: text) { Self.places(in: $0) }
        places.sort { $0.address < $1.address }
    }

    private static func places(in text: TraceText) -> [Place] {
        var places: [Place] = []
        // A line has some forty bytes.
        places.reserveCapacity(text.count / 38)
        var begin = 0
        while begin < text.count, begin <= Int(UInt32.max) {
            let end = text.first("\n", in: begin..<text.count) ?? text.count
            defer { begin = end + 1 }
            var scanner = Scanner(bytes: text, position: begin, end: end)
            guard let address = scanner.hexadecimal(), address != 0, scanner.take(" "), scanner.position + 2 < end
            else { continue }
            // Absolute symbols are no addresses, and "$x" are marks of an assembler.
            let (type, first) = (text[scanner.position], text[scanner.position + 2])
            guard type | 0x20 != UInt8(ascii: "a"), first != UInt8(ascii: "$") else { continue }
            places.append(Place(address: address, line: UInt32(begin)))
        }
        return places
    }

    /// The function in which the address is; nil before the first and behind the last.
    mutating func function(at address: UInt64) -> Function? {
        if let function = known[address] { return function }
        let function = find(address)
        // No trace has more different addresses, unless it was made to have them.
        if known.count < 65536 { known[address] = function }
        return function
    }

    private func find(_ address: UInt64) -> Function? {
        // The first one behind it.
        var (low, high) = (0, places.count)
        while low < high {
            let middle = (low + high) / 2
            if places[middle].address <= address { low = middle + 1 } else { high = middle }
        }
        guard low > 0, low < places.count || places[low - 1].address == address else { return nil }
        // Several names may have one address: one that is known is used.
        var found: Function?
        var place = low - 1
        while place >= 0, places[place].address == places[low - 1].address {
            let function = function(in: places[place])
            if found == nil || isTelling(function) { found = function }
            place -= 1
        }
        return found
    }

    private func isTelling(_ function: Function) -> Bool {
        function.isFutexCall || function.frame.kind != .function
            || !names.frame(function.frame.function).landmark.isEmpty
            || !names.frame(function.frame.function).cuts.isEmpty
    }

    private func function(in place: Place) -> Function {
        TraceText.reading(padded: text) { text in
            var scanner = Scanner(bytes: text, position: Int(place.line), end: text.count)
            _ = scanner.hexadecimal()
            scanner.position += 3
            let begin = scanner.position
            scanner.skipWord()
            let frame = Frame(function: begin..<scanner.position, in: text)
            return Function(frame: frame, isFutexCall: frame.function == Self.futexCall)
        }
    }

    private static let futexCall = EventName.hash("get_futex_key")
}
