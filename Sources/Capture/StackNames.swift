// What the frames of a kernel stack say about a cause. The landmarks lie in /proc/kallsyms, which is opened
// at the start, while that is permitted, and read by a thread of its own once everything is attached: the
// kernel takes a tenth of a second and more to write it, which no start has to wait for, and no first
// finding, whose victim may be gone by then.

import Events
import Glibc

/// Landmarks by address.
@safe final class StackNames {
    /// False when the kernel hides its addresses, so that stacks cannot be named.
    let hasAddresses: Bool
    private let reader: LandmarkReader
    private var thread: pthread_t?

    /// Opens the running kernel's list of symbols; nil when it cannot be read.
    init?() {
        let descriptor = unsafe open("/proc/kallsyms", O_RDONLY | O_CLOEXEC)
        guard descriptor >= 0 else { return nil }
        reader = LandmarkReader(descriptor: descriptor)
        // The first symbols are offsets within a CPU's own memory, and not all of these are zero.
        guard let beginning = readFile(descriptor, limit: 4096), !beginning.isEmpty else { return nil }
        hasAddresses = SymbolText.showsAddresses(beginning)
    }

    /// From the text of a kallsyms file.
    init(kallsyms bytes: [UInt8]) {
        reader = LandmarkReader(table: LandmarkTable(kallsyms: bytes))
        hasAddresses = SymbolText.showsAddresses(bytes)
    }

    /// Begins to read on a thread of its own.
    func beginReading() {
        guard hasAddresses, thread == nil else { return }
        // The thread holds its own reference to the reader until it ends.
        let context = unsafe Unmanaged.passRetained(reader)
        var thread = pthread_t()
        let code = unsafe pthread_create(
            &thread, nil,
            { context in
                unsafe Unmanaged<LandmarkReader>.fromOpaque(context!).takeRetainedValue().read()
                return nil
            }, context.toOpaque())
        if code == 0 { self.thread = thread } else { unsafe context.release() }
    }

    deinit { if let thread { pthread_detach(thread) } }

    /// The landmark in which an address of a kernel stack lies. Waits until the list has been read.
    func landmark(at address: UInt64) -> Landmarks {
        guard hasAddresses else { return [] }
        if let thread {
            pthread_join(thread, nil)
            self.thread = nil
        }
        return reader.read()[address]
    }
}

/// Reads once; belongs to the thread until that has ended.
private final class LandmarkReader: @unchecked Sendable {
    private let descriptor: Int32
    private var table: LandmarkTable?

    init(descriptor: Int32 = -1, table: LandmarkTable? = nil) { (self.descriptor, self.table) = (descriptor, table) }

    deinit { if descriptor >= 0 { close(descriptor) } }

    @discardableResult
    func read() -> LandmarkTable {
        if let table { return table }
        lseek(descriptor, 0, SEEK_SET)
        let read = LandmarkTable(kallsyms: readFile(descriptor) ?? [])
        table = read
        return read
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
