// What turns the numbers of events into what a reader knows: paths, control groups, wall clock time,
// page ids. Text arrives once, as `Event.name`, ahead of the event that needs it, and is kept here in
// bounded memory. How it is escaped is left to each format, since that depends on where it lands.

public import Events

/// Paths and control groups, as learnt so far.
public struct Names: Sendable {
    /// Texts kept, of files and of control groups together: some tens of megabytes at worst.
    static let limit = 65_536

    private var texts: [Name.Subject: Name] = [:]
    /// The subjects in the order in which they came, the oldest at `cursor` once there are `limit`.
    private var order: [Name.Subject] = []
    private var cursor = 0

    public init() {}

    /// Learns a name, or its new text when a file was renamed.
    public mutating func learn(_ name: Name) {
        guard texts.updateValue(name, forKey: name.subject) == nil else { return }
        if order.count < Self.limit {
            order.append(name.subject)
        } else {
            texts.removeValue(forKey: order[cursor])
            order[cursor] = name.subject
            cursor = (cursor + 1) % Self.limit
        }
    }

    func path(of file: FileID) -> String? {
        texts[.file(file)].flatMap { $0.text.isEmpty ? nil : $0.text }
    }

    func fileSystem(of file: FileID) -> String? {
        texts[.file(file)].flatMap { $0.detail.isEmpty ? nil : $0.detail }
    }

    /// The path below the root of the hierarchy; nil when it is not known.
    func cgroup(_ id: UInt64) -> String? {
        texts[.cgroup(id)]?.text
    }
}

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
