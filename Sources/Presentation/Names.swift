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

    /// `p-` and sixteen digits, or the address; nil for no page.
    func id(of page: PageID) -> String? {
        guard page.rawValue != 0 else { return nil }
        let digits = String(page.rawValue, radix: 16)
        if showsKernelAddresses { return "0x" + digits }
        return "p-" + String(repeating: "0", count: 16 - digits.count) + digits
    }

    /// `major:minor`.
    static func device(of file: FileID) -> String {
        "\(file.major):\(file.minor)"
    }
}
