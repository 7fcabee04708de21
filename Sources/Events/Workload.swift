// SPDX-License-Identifier: Apache-2.0

// The workload of a task, from the path of its control group alone: the systemd unit, the container and the Kubernetes
// pod that the path names. A container, or a unit that manages its own groups, chooses all names below itself, so the
// outermost answer counts and everything further down is ignored.

/// What a path below the root of the cgroup hierarchy names. What it does not name is nil.
public struct Workload: Sendable, Hashable {
    /// The unit as `systemctl` takes it; a unit of a user's manager has the manager in front
    /// (`user@1000.service/app.service`). A slice is no workload: it only holds others.
    public var unit: String?
    /// 64 hexadecimal digits, as the runtime names it.
    public var container: String?
    /// The pod's uid with hyphens; of a static pod 32 hexadecimal digits.
    public var pod: String?

    public init(unit: String? = nil, container: String? = nil, pod: String? = nil) {
        (self.unit, self.container, self.pod) = (unit, container, pod)
    }

    public init(cgroupPath: String) {
        var isInPods = false
        for part in cgroupPath.split(separator: "/") {
            // systemd puts an underscore before a name that would collide with one of the kernel's own files.
            let part = part.first == "_" ? part.dropFirst() : part
            // containerd with the wrong driver uses the three words of `slice:prefix:id` as one name.
            let words = part.split(separator: ":", omittingEmptySubsequences: false)
            let (group, leaf) = words.count == 3 ? (words[0], words[2]) : (part, part)
            isInPods = isInPods || group == "kubepods" || group == "kubepods.slice" || group.hasPrefix("kubepods-")
            if isInPods, pod == nil { pod = Self.pod(named: group) }
            if unit == nil {
                if Self.isUnit(part) { unit = String(part) }
            } else if let manager = unit, Self.isUserManager(manager), Self.isUnit(part) {
                unit = manager + "/" + part
            }
            if let id = Self.container(named: leaf) {
                container = id
                break
            }
        }
    }

    public var isNone: Bool { self == Workload() }

    // MARK: Names

    /// The kinds of unit that have processes.
    private static func isUnit(_ name: Substring) -> Bool {
        [".service", ".scope", ".socket", ".mount", ".swap"].contains {
            name.hasSuffix($0) && name.utf8.count > $0.utf8.count
        }
    }

    private static func isUserManager(_ unit: String) -> Bool {
        unit.hasPrefix("user@") && unit.hasSuffix(".service") && !unit.contains("/")
    }

    /// `ID`, `PREFIX-ID` or `PREFIX-ID.scope`; the group of a container's monitor is not the container.
    private static func container(named name: Substring) -> String? {
        let name = name.hasSuffix(".scope") ? name.dropLast(6) : name
        let id = name.utf8.suffix(64)
        guard isHex(id, count: 64) else { return nil }
        let prefix = name.dropLast(64)
        guard prefix.isEmpty || prefix.hasSuffix("-"), !prefix.hasSuffix("conmon-") else { return nil }
        return String(decoding: id, as: UTF8.self)
    }

    /// `podUID`, or `…-podUID.slice` with underscores for hyphens.
    private static func pod(named name: Substring) -> String? {
        let isSlice = name.hasSuffix(".slice")
        let name = isSlice ? name.dropLast(6) : name
        guard let mark = isSlice ? name.lastIndex(of: "-").map({ name.index(after: $0) }) : name.startIndex,
            name[mark...].hasPrefix("pod")
        else { return nil }
        let uid = name[mark...].dropFirst(3).utf8.map { $0 == UInt8(ascii: "_") ? UInt8(ascii: "-") : $0 }
        let groups = uid.split(separator: UInt8(ascii: "-"), omittingEmptySubsequences: false)
        let lengths = groups.map(\.count)
        guard lengths == [8, 4, 4, 4, 12] || lengths == [32], groups.allSatisfy({ isHex($0, count: $0.count) })
        else { return nil }
        return String(decoding: uid, as: UTF8.self)
    }

    private static func isHex(_ bytes: some Collection<UInt8>, count: Int) -> Bool {
        bytes.count == count
            && bytes.allSatisfy {
                (UInt8(ascii: "0")...UInt8(ascii: "9")).contains($0)
                    || (UInt8(ascii: "a")...UInt8(ascii: "f")).contains($0)
            }
    }
}
