// SPDX-License-Identifier: Apache-2.0

// The meaning of a kernel stack: its landmarks and its call path. Each address is looked up once: by a query to the
// kernel (`SymbolQuery`), or else in a table of all functions, which is read from /proc/kallsyms at the first stack.
// The memory for names is bounded, and no address leaves this file.

import Events
import Glibc
import System

/// Names for stacks.
@safe final class StackNames {
    /// The meaning of one stack.
    struct Reading {
        var landmarks: Landmarks = []
        var callPath = CallPathID.none
    }

    /// False when the kernel hides its addresses, so that stacks cannot be named.
    let hasAddresses: Bool
    private let question: SymbolQuery?
    /// /proc/kallsyms, opened at the start: if it is opened after the capabilities were dropped, it may show no
    /// addresses.
    private let descriptor: Int32
    private lazy var table = FunctionTable(kallsyms: descriptor >= 0 ? readFile(descriptor) ?? [] : [])
    private var functions: [UInt64: Function] = [:]
    private var readings: [[UInt64]: Reading] = [:]
    private var paths = CallPathTable()

    /// The largest numbers of stored functions and stacks. At that number all are removed.
    private static let functionLimit = 16_384
    private static let readingLimit = 4096

    /// A function on a stack.
    struct Function {
        /// Nil where no function is known at the address.
        var name: String?
        var landmark: Landmarks
    }

    /// Names come from `question`, or without it from /proc/kallsyms.
    init(_ question: SymbolQuery?, hasAddresses: Bool = true) {
        (self.question, self.hasAddresses) = (question, hasAddresses)
        descriptor = unsafe open("/proc/kallsyms", O_RDONLY | O_CLOEXEC)
    }

    /// Names come from the text of a kallsyms file.
    init(kallsyms bytes: [UInt8]) {
        (question, descriptor) = (nil, -1)
        hasAddresses = SymbolText.showsAddresses(bytes)
        table = FunctionTable(kallsyms: bytes)
    }

    deinit { if descriptor >= 0 { close(descriptor) } }

    /// The meaning of a stack of return addresses, the innermost first.
    /// - Parameter isCut: The stack continues beyond the last address.
    /// - Returns: Its meaning, and the name of its call path if that must be emitted before the event.
    func read(_ stack: [UInt64], isCut: Bool) -> (reading: Reading, name: Name?) {
        guard hasAddresses, !stack.isEmpty else { return (Reading(), nil) }
        if let reading = readings[stack] { return (reading, nil) }
        if paths.isFull || readings.count >= Self.readingLimit {
            paths.removeAll()
            readings = [:]
        }
        // A return address may be that of the next function, so the call instruction before it is looked up.
        let frames = stack.map { function(at: $0 &- 1) }
        var reading = Reading(landmarks: frames.reduce(into: []) { $0.formUnion($1.landmark) })
        var name: Name?
        if let path = CallPath(stack: frames.map(\.name), isCut: isCut) {
            (reading.callPath, name) = paths.number(of: path)
        }
        readings[stack] = reading
        return (reading, name)
    }

    /// The function in which an address lies.
    func function(at address: UInt64) -> Function {
        guard hasAddresses else { return Function(name: nil, landmark: []) }
        if let function = functions[address] { return function }
        let name = question?.text(at: address).map(Self.name) ?? table[address]
        let function = Function(name: name, landmark: name.map(Self.landmark) ?? [])
        if functions.count >= Self.functionLimit { functions = [:] }
        functions[address] = function
        return function
    }

    /// "name.cold" of "name.cold+0x10/0x2c0"; nil for a number such as "0xffffffff8123abcd".
    static func name(text: String) -> String? {
        guard let plus = text.firstIndex(of: "+"), plus != text.startIndex else { return nil }
        return String(text[..<plus])
    }

    /// The landmark of a function, by its name without a suffix of the compiler such as ".isra.0".
    static func landmark(of name: String) -> Landmarks {
        KernelFunctions.landmarksByName[String(name.prefix { $0 != "." })] ?? []
    }
}

/// All functions of a kernel by their addresses, some megabytes.
struct FunctionTable {
    private struct Place {
        var address: UInt64
        /// The index in `names` where its name begins.
        var name: UInt32
    }

    /// Ordered by address.
    private var places: [Place] = []
    /// The names, each with a line end behind it.
    private var names: [UInt8] = []

    init(kallsyms bytes: [UInt8]) {
        SymbolText(bytes).forEachFunction { address, name in
            guard address != 0, names.count < Int(UInt32.max) - name.count else { return }
            places.append(Place(address: address, name: UInt32(names.count)))
            names.append(contentsOf: bytes[name])
            names.append(0x0a)
        }
        // The functions of modules are not ordered in the text. Several names of one address keep the order of the
        // text.
        places.sort { ($0.address, $0.name) < ($1.address, $1.name) }
    }

    /// The name of the function in which an address lies. Of several names at one address, one with a landmark is
    /// preferred. Nil for an address before the first function.
    subscript(address: UInt64) -> String? {
        var (low, high) = (0, places.count)
        while low < high {
            let middle = (low + high) / 2
            if places[middle].address <= address { low = middle + 1 } else { high = middle }
        }
        guard low > 0 else { return nil }
        var found: String?
        for place in places[..<low].reversed() {
            guard place.address == places[low - 1].address else { break }
            let name = String(decoding: names[Int(place.name)...].prefix { $0 != 0x0a }, as: UTF8.self)
            if found.map({ StackNames.landmark(of: $0).isEmpty }) ?? true { found = name }
        }
        return found
    }
}
