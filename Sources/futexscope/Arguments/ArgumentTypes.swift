// SPDX-License-Identifier: Apache-2.0

// Types of arguments: times, sizes, results. Each parses one word, or throws what it expected.

public import ArgumentParser
internal import Capture
internal import Events
internal import Glibc
internal import Presentation
internal import Recording

/// A count, a pid or another number.
func wholeNumber<Number: FixedWidthInteger>(_ text: String) throws -> Number {
    guard let number = Number(text) else {
        throw ValidationError("expected a whole number from 0 to \(Number.max)")
    }
    return number
}

/// A duration: `10`, `0.5`, `500ms`, `2m`. Without a unit, seconds.
struct Span: Equatable {
    var ns: UInt64

    init(_ text: String) throws {
        let number = text.prefix { $0.isASCII && ($0.isNumber || $0 == ".") }
        let units: [Substring: Double] = [
            "": 1e9, "s": 1e9, "ms": 1e6, "us": 1e3, "ns": 1, "m": 60e9, "h": 3600e9, "d": 86_400e9,
        ]
        guard let value = Double(number), let unit = units[text[number.endIndex...]], value * unit < 9e18 else {
            throw ValidationError("expected seconds, or a number with ns, us, ms, s, m, h or d, such as 500ms")
        }
        ns = UInt64(value * unit)
    }
}

/// A size in bytes: `8M`, `512K`, `4096`.
struct ByteSize: Equatable {
    var bytes: UInt64

    init?(_ text: String) {
        let number = text.prefix { $0.isASCII && $0.isNumber }
        let units: [Substring: UInt64] = [
            "": 1, "K": 1 << 10, "k": 1 << 10, "M": 1 << 20, "m": 1 << 20, "G": 1 << 30, "g": 1 << 30, "T": 1 << 40,
        ]
        guard let value = UInt64(number), let unit = units[text[number.endIndex...]],
            case (let size, false) = value.multipliedReportingOverflow(by: unit)
        else { return nil }
        bytes = size
    }
}

/// The size of a ring buffer.
struct RingSize: Equatable {
    var bytes: UInt32

    init(_ text: String) throws {
        let page = UInt64(sysconf(Int32(_SC_PAGESIZE)))
        guard let size = ByteSize(text)?.bytes, size >= page, size & (size - 1) == 0, let bytes = UInt32(exactly: size)
        else { throw ValidationError("expected a power of two from \(page) to 2G, such as 512K or 8M") }
        self.bytes = bytes
    }
}

/// The size limit of a recording.
struct RecordingSize: Equatable {
    var bytes: UInt64

    init(_ text: String) throws {
        guard let size = ByteSize(text)?.bytes, size >= RecordingLimits.smallest else {
            throw ValidationError("expected a size of \(RecordingLimits.smallest >> 20)M or more, such as 64M or 2G")
        }
        bytes = size
    }
}

/// The result of a lookup: `ok` or the name of an error.
struct LookupResult: Equatable {
    var number: Int32

    /// EFAULT, which a lookup returns that found no mapping.
    var isFailureToMap: Bool { number == -14 }

    init(_ text: String) throws {
        guard let number = ErrorNumber.result(named: text) else {
            throw ValidationError("expected ok, the name of an error such as EFAULT, or its number")
        }
        self.number = number
    }
}

extension AttachMode: ExpressibleByArgument {}
extension CaptureSource: ExpressibleByArgument {}

/// The format of findings.
enum OutputFormat: String, CaseIterable, ExpressibleByArgument {
    case table, json, csv

    /// The writer of this format.
    func writer(for output: OutputFile, isTimed: Bool, columns: [TableColumn]? = nil) -> any FindingFormat {
        switch self {
        case .table:
            Table(width: output.tableWidth, colour: output.wantsColour, isTimed: isTimed, columns: columns)
        case .json: JSONLines()
        case .csv: CSV()
        }
    }
}

/// The format of a report about the host or about a provocation.
enum ReportFormat: String, CaseIterable, ExpressibleByArgument {
    case text, json
}
