// SPDX-License-Identifier: Apache-2.0

// What turns the numbers of events into what a reader knows: paths, control groups, wall clock time,
// page ids. How text is escaped is left to each format, since that depends on where it lands.

public import Events

/// Everything that a format needs besides the finding itself.
public struct Legend: Sendable {
    public var names = Names()
    public let clock: WallClock
    private let showsKernelAddresses: Bool

    /// `showsKernelAddresses` says that page ids are addresses of `struct page`.
    public init(clock: WallClock, showsKernelAddresses: Bool = false) {
        self.clock = clock
        self.showsKernelAddresses = showsKernelAddresses
    }

    /// The same without names; it keeps every name that it learns.
    public var withoutNames: Legend {
        var legend = Legend(clock: clock, showsKernelAddresses: showsKernelAddresses)
        legend.names = Names(limit: .max)
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

    /// The path for a person, with what keeps it from leading to the file.
    func placed(_ file: FileID) -> String? {
        guard let path = names.path(of: file) else { return nil }
        return switch names.state(of: file) {
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
    /// For a person: the container's id as runtimes shorten it, else the unit, else the pod alone.
    var title: String {
        if let container { return "container " + container.prefix(12) }
        return unit ?? "pod"
    }
}
