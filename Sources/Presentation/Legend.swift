// SPDX-License-Identifier: Apache-2.0

// Translates the numbers of events into text for a reader: paths, control groups, wall clock time, page ids. Each
// format escapes text in its own way, because that depends on the output.

public import Events
internal import Correlation

/// Everything that a format needs besides the finding itself.
public struct Legend: Sendable {
    public var names = Names()
    public let clock: WallClock
    private let showsKernelAddresses: Bool
    /// Host, kernel and run, as the last members of each JSON line and as the last fields of each row of CSV.
    let membersOfRun: String
    let fieldsOfRun: String

    /// `names` is still empty.
    public init(of run: RunInfo) {
        clock = WallClock(of: run)
        showsKernelAddresses = run.showsKernelAddresses
        let parts = [run.host, run.kernelRelease, run.id?.text]
        membersOfRun = JSONWriter.members(Array(zip(["host", "kernel", "run_id"], parts)))
        fieldsOfRun = CSVRow.fields(parts)
    }

    /// Nanoseconds from the detach to the end of the lookup; nil where there is no detach, or times have no unit.
    func detachAgeNs(of finding: Finding) -> UInt64? { clock.showsCounts ? nil : finding.detachAgeNs }

    /// A copy without names; it keeps every name that it learns.
    public var withoutNames: Legend {
        var legend = self
        legend.names = Names(limit: .max, callPaths: .max)
        return legend
    }

    /// `p-` and sixteen digits, or the address; nil for no page.
    func id(of page: PageID) -> String? {
        var bytes: [UInt8] = []
        bytes.appendText { append(page, to: &$0) }
        return bytes.isEmpty ? nil : String(decoding: bytes, as: UTF8.self)
    }

    /// `id(of:)` as bytes; nothing for no page.
    func append(_ page: PageID, to output: inout TextOutput) {
        guard page.rawValue != 0 else { return }
        output.append(showsKernelAddresses ? "0x" : "p-")
        output.append(hex: page.rawValue, width: showsKernelAddresses ? 1 : 16)
    }

    /// The path for a reader, with the reason why it does not lead to the file, if there is one.
    func placed(_ file: FileID) -> String? {
        guard let name = names.file(file), let path = name.path else { return nil }
        return switch name.fileState {
        case .deleted: path + " (deleted)"
        case .otherRoot: path + " (other root)"
        case .unreachable: path + " (unreachable)"
        case .linked, .overlay, .memfd, .sysvShm, .sharedAnonymous, nil: path
        }
    }

    /// `major:minor`.
    static func device(of file: FileID) -> String {
        "\(file.major):\(file.minor)"
    }

    /// `device(of:)` as bytes.
    static func append(deviceOf file: FileID, to output: inout TextOutput) {
        output.append(decimal: UInt64(file.major))
        output.append(UInt8(ascii: ":"))
        output.append(decimal: UInt64(file.minor))
    }
}

extension Workload {
    /// For a reader: the container's id as runtimes shorten it, else the unit, else the pod alone.
    var title: String {
        if let container { return "container " + container.prefix(12) }
        return unit ?? "pod"
    }
}
