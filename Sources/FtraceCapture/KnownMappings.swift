// SPDX-License-Identifier: Apache-2.0

// Which files processes were seen to map. In a storm this program may not read mappings for seconds. A process that
// mapped a file once is assumed to have mapped it at an observation that is read later.

import Events
import System

/// Files that processes map; each is looked up again after an interval.
final class KnownMappings {
    private static let limit = 4096

    private struct Mapping: Hashable {
        var process: UInt32
        var file: FileID
    }

    private static let patienceNs: UInt64 = 1_000_000_000

    private var known: Set<Mapping> = []
    /// The time from which a file that was not found is looked up again.
    private var absent: [Mapping: UInt64] = [:]

    func has(_ file: FileID, in process: UInt32) -> Bool {
        let mapping = Mapping(process: process, file: file)
        if known.contains(mapping) { return true }
        let now = Clock.monotonicNs
        if let until = absent[mapping], now < until { return false }
        let maps = readText("/proc/\(process)/maps") ?? ""
        guard maps.split(separator: "\n").contains(where: { MemoryArea(line: $0)?.file == file }) else {
            if absent.count >= Self.limit { absent = [:] }
            absent[mapping] = now + Self.patienceNs
            return false
        }
        if known.count >= Self.limit { known = [] }
        known.insert(mapping)
        return true
    }
}
