// SPDX-License-Identifier: Apache-2.0

// Events for tests: one ordinary lookup that met a hole, the detach it met, and the page between them.
// A test states what differs from these and nothing else.

public import Events

extension TaskIdentity {
    public static let victim = TaskIdentity(pid: 211, tid: 212, comm: Comm("app"), cgroup: 77)
    public static let culprit = TaskIdentity(pid: 300, tid: 300, comm: Comm("backup"), cgroup: 78)
}

extension FileID {
    public static let data = FileID(device: 253 << 20, inode: 12)
}

extension PageFacts {
    /// Page 3 of a file of ten pages on ext4, its detach found.
    public static func sample(_ change: (inout PageFacts) -> Void = { _ in }) -> PageFacts {
        var page = PageFacts(
            page: PageID(rawValue: 0x3f2a), file: .data, index: 3, fileSize: 40_960, magic: 0xef53,
            facts: [.areaKnown, .areaHasFile], slot: .found, detachTime: 1_000_000)
        change(&page)
        return page
    }

    /// A page without a file, as the zero page is seen.
    public static func zero(_ change: (inout PageFacts) -> Void = { _ in }) -> PageFacts {
        var page = PageFacts(
            page: PageID(rawValue: 0x1000), file: FileID(device: 0, inode: 0), index: 0, fileSize: 0, magic: 0,
            facts: [.areaKnown, .reserved, .nullAtPin], slot: .empty, detachTime: 0)
        change(&page)
        return page
    }
}

extension PageFacts {
    /// What is at an address at which no page was pinned: the second page of a file of one.
    public static func failure(_ change: (inout PageFacts) -> Void = { _ in }) -> PageFacts {
        var page = PageFacts(
            page: PageID(rawValue: 0), file: .data, index: 1, fileSize: 4096, magic: 0xef53,
            facts: [.failureDescribed, .areaKnown, .areaHasFile, .areaHasOperations, .areaIsReadable, .areaIsWritable],
            slot: .notAsked, detachTime: 0)
        change(&page)
        return page
    }
}

extension Lookup {
    /// One whose pin failed: for reading, unless it has the flag `write`.
    public static func faulted(
        _ page: PageFacts? = .failure(), by operation: FutexOperation? = .wait,
        _ change: (inout Lookup) -> Void = { _ in }
    ) -> Lookup {
        .sample(page: page) {
            ($0.observations, $0.flags, $0.operation) = (0, [.returned, .timed, .pinFailed], operation)
            change(&$0)
        }
    }

    /// A write lookup that failed in its first pass, 1840 ns after the detach.
    public static func sample(
        page: PageFacts? = .sample(), _ change: (inout Lookup) -> Void = { _ in }
    ) -> Lookup {
        var lookup = Lookup(
            time: 1_001_840, start: 991_417, victim: .victim, uid: 1000, address: 0x7f12_3456_7000, passes: 1,
            observations: 1, retries: RetryCounts(), result: -14,
            flags: [.write, .returned, .timed, .failedUnmapped], lockWaits: 0, page: page)
        change(&lookup)
        return lookup
    }

    /// The same as the sentinel sees it, from the unlock of the page.
    public static func inside(
        page: PageFacts? = .sample(), _ change: (inout Lookup) -> Void = { _ in }
    ) -> Lookup {
        .sample(page: page) {
            ($0.start, $0.passes) = (0, 0)
            $0.flags.remove(.timed)
            change(&$0)
        }
    }

    /// Seen from inside, one that goes back for the `rounds`-th time.
    public static func goingBack(rounds: UInt64) -> Lookup {
        .inside(page: .sample { $0.facts.insert(.swapCache) }) {
            ($0.result, $0.flags, $0.observations, $0.retries.swizzled) = (nil, [], rounds, rounds)
        }
    }

    /// It went well after all, in this pass.
    public mutating func succeed(inPass pass: UInt64) {
        (result, passes) = (0, pass)
        flags.remove(.failedUnmapped)
    }

    /// One that goes round since `durationNs` ago.
    public static func looping(passes: UInt64, durationNs: UInt64, tid: UInt32 = 212) -> Lookup {
        .sample(page: .zero()) {
            $0.time = 20_000_000_000 + durationNs
            $0.start = $0.time - durationNs
            $0.victim.tid = tid
            $0.passes = passes
            $0.observations = passes - 1
            $0.retries.noMapping = passes - 1
            $0.result = nil
            $0.flags = [.timed]
        }
    }
}

extension Detach {
    /// Of `PageFacts.sample`, by a hole in that page.
    public static func sample(_ change: (inout Detach) -> Void = { _ in }) -> Detach {
        var detach = Detach(
            time: 1_000_000, page: PageID(rawValue: 0x3f2a), culprit: .culprit, file: .data, magic: 0xef53,
            index: 3, fileSize: 40_960, pages: 1, references: 3, via: .pageCache, scope: .holePunch,
            hole: 12_288..<16_384, landmarks: [.fallocate, .truncateRange], stackIsNamed: true)
        change(&detach)
        return detach
    }
}
