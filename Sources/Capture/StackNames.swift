// What the frames of a kernel stack say about a cause. The landmarks lie in /proc/kallsyms, which is opened
// at the start, while that is permitted, and read when the first stack has to be named: a trace that finds
// nothing never does.

import Events
import Glibc

/// Landmarks by address.
@safe final class StackNames {
    /// False when the kernel hides its addresses, so that stacks cannot be named.
    let hasAddresses: Bool
    private let descriptor: Int32
    private lazy var landmarks: LandmarkTable = readLandmarks()

    /// Opens the running kernel's list of symbols; nil when it cannot be read.
    init?() {
        descriptor = unsafe open("/proc/kallsyms", O_RDONLY | O_CLOEXEC)
        // The first ones are offsets within a CPU's own memory, and some of these are not zero.
        guard descriptor >= 0, let beginning = readFile(descriptor, limit: 4096), !beginning.isEmpty else { return nil }
        hasAddresses = SymbolText.showsAddresses(beginning)
    }

    /// From the text of a kallsyms file.
    init(kallsyms bytes: [UInt8]) {
        descriptor = -1
        hasAddresses = SymbolText.showsAddresses(bytes)
        landmarks = LandmarkTable(kallsyms: bytes)
    }

    deinit { if descriptor >= 0 { close(descriptor) } }

    /// The landmark in which an address of a kernel stack lies.
    func landmark(at address: UInt64) -> Landmarks { hasAddresses ? landmarks[address] : [] }

    private func readLandmarks() -> LandmarkTable {
        lseek(descriptor, 0, SEEK_SET)
        return LandmarkTable(kallsyms: readFile(descriptor) ?? [])
    }
}

/// The extents of all landmarks.
struct LandmarkTable {
    private var landmarks: [(range: Range<UInt64>, landmark: Landmarks)] = []

    init(kallsyms bytes: [UInt8]) {
        var marks: [String: Landmarks] = [:]
        for (landmark, functions) in Landmarks.functions {
            for name in functions { marks[name] = landmark }
        }
        var open: [(start: UInt64, landmark: Landmarks)] = []
        SymbolText(bytes).forEach(in: SymbolNames(Array(marks.keys))) { address in
            guard let first = open.first, address > first.start else { return !open.isEmpty }
            for mark in open { landmarks.append((mark.start..<address, mark.landmark)) }
            open = []
            return false
        } found: { symbol in
            if let landmark = marks[symbol.base] { open.append((symbol.address, landmark)) }
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
