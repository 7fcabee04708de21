// SPDX-License-Identifier: Apache-2.0

// What the frames of a kernel stack say about a cause: which landmark each of them lies in. The kernel is
// asked for each address once. Where it does not answer, all landmarks are looked for in /proc/kallsyms.

import Events
import Glibc
import System

/// Landmarks by address.
@safe final class StackNames {
    /// False when the kernel hides its addresses, so that stacks cannot be named.
    let hasAddresses: Bool
    private let question: SymbolQuestion?
    /// Open from the start: later on it may show no addresses.
    private let descriptor: Int32
    private var known: [UInt64: Landmarks] = [:]
    private lazy var table = Self.readTable(descriptor)

    /// By asking the kernel.
    init(_ question: SymbolQuestion) {
        self.question = question
        hasAddresses = true
        descriptor = unsafe open("/proc/kallsyms", O_RDONLY | O_CLOEXEC)
    }

    /// From the text of a kallsyms file.
    init(kallsyms bytes: [UInt8]) {
        (question, descriptor) = (nil, -1)
        hasAddresses = SymbolText.showsAddresses(bytes)
        table = LandmarkTable(kallsyms: bytes)
    }

    deinit { if descriptor >= 0 { close(descriptor) } }

    /// The landmark in which an address of a kernel stack lies.
    func landmark(at address: UInt64) -> Landmarks {
        guard hasAddresses else { return [] }
        guard let question else { return table[address] }
        if let landmark = known[address] { return landmark }
        let landmark = question.text(at: address).map(Self.landmark) ?? table[address]
        known[address] = landmark
        return landmark
    }

    /// From "name.cold+0x10/0x2c0".
    static func landmark(text: String) -> Landmarks {
        KernelFunctions.landmarksByName[String(text.prefix { $0 != "+" && $0 != "." })] ?? []
    }

    private static func readTable(_ descriptor: Int32) -> LandmarkTable {
        LandmarkTable(kallsyms: descriptor >= 0 ? readFile(descriptor) ?? [] : [])
    }
}

/// The extents of all functions that mean something on a stack.
struct LandmarkTable {
    private var landmarks: [(range: Range<UInt64>, landmark: Landmarks)] = []

    init(kallsyms bytes: [UInt8]) {
        var open: [(start: UInt64, landmark: Landmarks)] = []
        SymbolText(bytes).forEach(in: SymbolNames(KernelFunctions.landmarkNames)) { address in
            guard let first = open.first, address > first.start else { return !open.isEmpty }
            for mark in open { landmarks.append((mark.start..<address, mark.landmark)) }
            open = []
            return false
        } found: { symbol in
            if let landmark = KernelFunctions.landmarksByName[symbol.base] { open.append((symbol.address, landmark)) }
            return !open.isEmpty
        }
        landmarks.sort { $0.range.lowerBound < $1.range.lowerBound }
    }

    subscript(address: UInt64) -> Landmarks {
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
}
