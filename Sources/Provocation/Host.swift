// SPDX-License-Identifier: Apache-2.0

// What this host reports in the text files of /proc and /sys. An absent file is an empty text; the caller decides what
// that means.

internal import Glibc
internal import System

enum Host {
    /// The number of the page frame behind an address of this process; nil without CAP_SYS_ADMIN.
    static func frame(at address: Int) -> UInt64? {
        // One 64-bit entry a page: bit 63 says present, the low 55 bits are the frame.
        guard let map = try? Descriptor(opening: "/proc/self/pagemap", flags: O_RDONLY),
            let entry = try? map.readWord(at: address / Mapping.pageBytes * 8), entry >> 63 == 1
        else { return nil }
        let frame = entry & (1 << 55 - 1)
        return frame == 0 ? nil : frame
    }

    static func text(of path: String) -> String {
        readFile(path, limit: 1 << 16).map { String(decoding: $0, as: UTF8.self) } ?? ""
    }

    /// The kernel function in which a process sleeps; nil if it does not sleep, or this kernel does not say so.
    static func waitChannel(of pid: Int32) -> String? {
        let function = text(of: "/proc/\(pid)/wchan")
        return function.isEmpty || function == "0" ? nil : function
    }

    /// Counters of /proc/vmstat since boot, for the whole host; one that the kernel lacks is absent.
    static func counters(_ names: [String]) -> [String: Int] {
        names.isEmpty ? [:] : counters(names, in: text(of: "/proc/vmstat"))
    }

    static func counters(_ names: [String], in vmstat: String) -> [String: Int] {
        var values: [String: Int] = [:]
        for line in vmstat.split(separator: "\n") {
            let words = line.split(separator: " ")
            if words.count == 2, names.contains(String(words[0])) { values[String(words[0])] = Int(words[1]) }
        }
        return values
    }

    /// Whether any swap area is in use. The first line is the heading.
    static var swapIsOn: Bool { text(of: "/proc/swaps").split(separator: "\n").count > 1 }

    static var freeHugePages: Int {
        let count = text(of: "/sys/kernel/mm/hugepages/hugepages-2048kB/free_hugepages")
        return Int(count.filter { $0.isNumber }) ?? 0
    }

    static var nodesWithMemory: [Int32] { nodes(in: text(of: "/sys/devices/system/node/has_memory")) }

    /// The numbers of a list such as "0-1,3".
    static func nodes(in list: String) -> [Int32] {
        list.filter { !$0.isWhitespace }.split(separator: ",").flatMap { part -> [Int32] in
            let ends = part.split(separator: "-").compactMap { Int32($0) }
            guard let first = ends.first, let last = ends.last, first <= last else { return [] }
            return Array(first...last)
        }
    }
}
