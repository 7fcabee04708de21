// SPDX-License-Identifier: Apache-2.0

// The names that have arrived, in bounded memory. A name arrives once, as `Event.name`, before the event that needs it.
// Output looks names up here, and a recorder repeats them from here at the start of a new file. Call paths have a table
// of their own: they are few and stay in use, and files of a busy run must not evict them.

/// Paths, control groups and call paths, as learnt so far.
public struct Names: Sendable {
    /// Texts kept unless another limit is given: some tens of megabytes at worst.
    public static let limit = 65_536

    private var texts: NameTable
    private var callPaths: NameTable
    /// Of the control groups whose path names a workload: each path is parsed once.
    private var workloads: [UInt64: Workload] = [:]

    /// Keeps `limit` texts of files and of control groups together, and as many call paths as a source remembers or
    /// `callPaths`; the oldest are dropped.
    public init(limit: Int = Names.limit, callPaths: Int = CallPathTable.limit) {
        (texts, self.callPaths) = (NameTable(limit: limit), NameTable(limit: callPaths))
    }

    /// Learns a name, or its new text when a file was renamed.
    /// - Returns: the subject that was dropped to make room.
    @discardableResult
    public mutating func learn(_ name: Name) -> Name.Subject? {
        if case .callPath = name.subject { return callPaths.learn(name) }
        if case .cgroup(let id) = name.subject {
            let workload = Workload(cgroupPath: name.text)
            workloads[id] = workload.isNone ? nil : workload
        }
        let oldest = texts.learn(name)
        if case .cgroup(let id)? = oldest { workloads.removeValue(forKey: id) }
        return oldest
    }

    /// Drops a name before its turn, if there is one; takes time in proportion to the number of names.
    public mutating func forget(_ subject: Name.Subject) {
        if case .callPath = subject { return callPaths.forget(subject) }
        texts.forget(subject)
        if case .cgroup(let id) = subject { workloads.removeValue(forKey: id) }
    }

    /// All that is known: call paths, then files and control groups, of each the oldest first.
    public var all: [Name] { callPaths.all + texts.all }

    /// Nil when it is not known.
    public func name(of subject: Name.Subject) -> Name? {
        if case .callPath = subject { callPaths[subject] } else { texts[subject] }
    }

    /// What is known of a file; nil without one, or when nothing is known.
    public func file(_ file: FileID?) -> Name? {
        guard let file else { return nil }
        return texts[.file(file)]
    }

    /// Nil when it is not known.
    public func path(of file: FileID) -> String? { texts[.file(file)]?.path }

    /// Nil when the control group's path is not known, or names no workload.
    public func workload(_ cgroup: UInt64) -> Workload? { workloads[cgroup] }

    /// The path below the root of the hierarchy; nil when it is not known.
    public func cgroup(_ id: UInt64) -> String? {
        texts[.cgroup(id)]?.text
    }

    /// Nil when it is not known.
    public func callPath(_ id: CallPathID) -> CallPath? {
        if id.isNone { return nil }
        return callPaths[.callPath(id)].map { CallPath(text: $0.text) }
    }
}

/// Names by subject, the oldest dropped for a new one.
private struct NameTable: Sendable {
    let limit: Int
    private var texts: [Name.Subject: Name] = [:]
    /// The subjects in the order in which they came, the oldest at `cursor` once there are `limit`.
    private var order: [Name.Subject] = []
    private var cursor = 0

    init(limit: Int) { self.limit = limit }

    subscript(_ subject: Name.Subject) -> Name? { texts[subject] }

    var all: [Name] { order.compactMap { texts[$0] } }

    /// Returns what was dropped.
    mutating func learn(_ name: Name) -> Name.Subject? {
        guard texts.updateValue(name, forKey: name.subject) == nil else { return nil }
        guard order.count == limit else {
            order.append(name.subject)
            return nil
        }
        let oldest = order[cursor]
        texts.removeValue(forKey: oldest)
        order[cursor] = name.subject
        cursor = (cursor + 1) % limit
        return oldest
    }

    mutating func forget(_ subject: Name.Subject) {
        guard texts.removeValue(forKey: subject) != nil else { return }
        order = (order[cursor...] + order[..<cursor]).filter { $0 != subject }
        cursor = 0
    }
}
