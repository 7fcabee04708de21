// SPDX-License-Identifier: Apache-2.0

// The names that have arrived, in bounded memory. A name arrives once, as `Event.name`, before the event that needs
// it. Output looks names up here, and a recorder repeats them from here at the start of a new file.

/// Paths and control groups, as learnt so far.
public struct Names: Sendable {
    /// Texts kept unless another limit is given: some tens of megabytes at worst.
    public static let limit = 65_536

    private let limit: Int
    private var texts: [Name.Subject: Name] = [:]
    /// Of the control groups whose path names a workload: each path is parsed once.
    private var workloads: [UInt64: Workload] = [:]
    /// The subjects in the order in which they came, the oldest at `cursor` once there are `limit`.
    private var order: [Name.Subject] = []
    private var cursor = 0

    /// Keeps `limit` texts, of files and of control groups together; the oldest are dropped.
    public init(limit: Int = Names.limit) { self.limit = limit }

    /// Learns a name, or its new text when a file was renamed.
    /// - Returns: the subject that was dropped to make room.
    @discardableResult
    public mutating func learn(_ name: Name) -> Name.Subject? {
        if case .cgroup(let id) = name.subject {
            let workload = Workload(cgroupPath: name.text)
            workloads[id] = workload.isNone ? nil : workload
        }
        guard texts.updateValue(name, forKey: name.subject) == nil else { return nil }
        guard order.count == limit else {
            order.append(name.subject)
            return nil
        }
        let oldest = order[cursor]
        texts.removeValue(forKey: oldest)
        if case .cgroup(let id) = oldest { workloads.removeValue(forKey: id) }
        order[cursor] = name.subject
        cursor = (cursor + 1) % limit
        return oldest
    }

    /// Drops a name before its turn, if there is one; takes time in proportion to the number of names.
    public mutating func forget(_ subject: Name.Subject) {
        guard texts.removeValue(forKey: subject) != nil else { return }
        if case .cgroup(let id) = subject { workloads.removeValue(forKey: id) }
        order = (order[cursor...] + order[..<cursor]).filter { $0 != subject }
        cursor = 0
    }

    /// All that is known, in no particular order of time.
    public var all: [Name] { order.compactMap { texts[$0] } }

    /// Nil when it is not known.
    public func name(of subject: Name.Subject) -> Name? { texts[subject] }

    public func path(of file: FileID) -> String? {
        texts[.file(file)].flatMap { $0.text.isEmpty ? nil : $0.text }
    }

    public func fileSystem(of file: FileID) -> String? {
        texts[.file(file)].flatMap { $0.detail.isEmpty ? nil : $0.detail }
    }

    /// Nil when it is not known.
    public func state(of file: FileID) -> FileState? { texts[.file(file)]?.fileState }

    /// Nil when the control group's path is not known, or names no workload.
    public func workload(_ cgroup: UInt64) -> Workload? { workloads[cgroup] }

    /// The path below the root of the hierarchy; nil when it is not known.
    public func cgroup(_ id: UInt64) -> String? {
        texts[.cgroup(id)]?.text
    }
}
