// SPDX-License-Identifier: Apache-2.0

/// How one cause is provoked: where the futex is, how the victim maps it, and what the culprit does to it repeatedly. A
/// scenario only declares; the loops, the processes, the counts and the clean-up are the same for all of them.
struct Scenario: Sendable {
    /// Where the futex's page comes from.
    enum Place: Equatable, Sendable {
        /// No file.
        case nowhere
        /// A file in any directory; in `/dev/shm` without --path.
        case directory
        /// A file on tmpfs; in `/dev/shm` without --path.
        case tmpfs
        /// A file on a disk, so that its pages can be dropped and read again.
        case disk
        /// A file of huge pages: a memory file, or with --path a file in a hugetlbfs directory.
        case hugetlb
        /// A device: that of --path, or a loop device on a file of this run.
        case blockDevice
    }

    /// What the victim calls on.
    enum Footing: Equatable, Sendable {
        case zeroPage
        case specialPages
        /// An address at which no page can be pinned.
        case failing(FailingAddress)
        /// The file, mapped shared. The word is at the cursor's multiple of `stride`. With `releases` the victim unmaps the
        /// page after each call, because some operations skip a mapped page.
        case file(Syscalls.Access, stride: Int = 0, releases: Bool = false)
    }

    /// One operation; throws when it fails.
    typealias Operation = () throws(SyscallError) -> Void

    /// Opens what the operations need; runs in the culprit when the victim is ready.
    typealias SetUp = @Sendable (_ path: String, Scoreboard) throws(SyscallError) -> Operation

    var cause: ProvokedCause
    var place: Place
    var fileBytes = Mapping.pageBytes
    var footing: Footing
    /// Nanoseconds that the culprit sleeps between two operations, at least.
    var napNs: Int64 = 200_000
    /// Operations, failed ones included, after which the run ends; 0: no limit.
    var operationLimit = 0
    /// Counters of /proc/vmstat that grow when the operations have an effect.
    var evidence: [String] = []
    /// Nil where no culprit is needed.
    var culprit: SetUp?

    /// Calls of a run that has neither a duration nor a count; nil: three seconds.
    var standardCalls: Int? {
        switch cause.expectation {
        case .none: 23
        case .always: 1000
        case .sometimes, .withstood: nil
        }
    }

    /// The largest number of pages that memory failure takes from the host, because some come back only after a reboot.
    static let poisonLimit = 200
}

extension Scenario {
    init(_ cause: ProvokedCause) {
        switch cause {
        case .ordinary: self = .ordinary
        case .zeroPage: self = .zeroPage
        case .specialMapping: self = .specialMapping
        case .holePunch: self = .holePunch
        case .truncate: self = .truncate
        case .directIOInvalidation: self = .directIOInvalidation
        case .neighbourPunch: self = .neighbourPunch
        case .hugetlbPunch: self = .hugetlbPunch
        case .blockZeroOut: self = .blockZeroOut
        case .memoryFailure: self = .memoryFailure
        case .dropCaches: self = .dropCaches
        case .fadvise: self = .fadvise
        case .reclaim: self = .reclaim
        case .swapOut: self = .swapOut
        case .migration: self = .migration
        case .collapse: self = .collapse
        case .unmappedAddress, .noPermission, .beyondEndOfFile, .deviceMemory, .secretMemory, .poisoned,
            .readOnlyAnonymous, .noMemory:
            self = .failure(cause)
        }
    }
}
