// SPDX-License-Identifier: Apache-2.0

/// How one cause is made to happen: where the futex lies, how the victim maps it, and what the
/// disturber does to it again and again.  A scenario only declares; the loops, the processes, the
/// counting and the cleaning up are the same for all of them and live elsewhere.
struct Scenario: Sendable {
    /// Where the futex's page comes from.
    enum Place: Equatable, Sendable {
        /// No file.
        case nowhere
        /// A file in any directory, `/dev/shm` unless told.
        case directory
        /// A file on tmpfs, `/dev/shm` unless told.
        case tmpfs
        /// A file that has a disk behind it, so that its pages can go and come again.
        case disk
        /// A file of huge pages: a memory file unless a hugetlbfs directory is told.
        case hugetlb
        /// A device: one that is told, or a loop device on a file of one's own.
        case blockDevice
    }

    /// What the victim calls on.
    enum Footing: Equatable, Sendable {
        case zeroPage
        case specialPages
        /// The file, mapped shared.  The word is at the cursor's multiple of `stride`.  `releases`:
        /// the victim unmaps the page after each call, without which some causes spare it.
        case file(Syscalls.Access, stride: Int = 0, releases: Bool = false)
    }

    /// One operation; throws if it could not be done this time.
    typealias Operation = () throws(SystemError) -> Void

    /// Opens what the operations need; runs in the disturber, after the victim is ready.
    typealias SetUp = @Sendable (_ path: String, Scoreboard) throws(SystemError) -> Operation

    var cause: Cause
    var place: Place
    var fileBytes = Mapping.pageBytes
    var footing: Footing
    /// What the disturber sleeps between two operations, at least.
    var napNs: Int64 = 200_000
    /// After so many operations, those in vain included, the run is over; 0: never.
    var operationLimit = 0
    /// Counters of /proc/vmstat that grow when the operations have an effect.
    var evidence: [String] = []
    /// Nil where nobody has to do anything.
    var disturber: SetUp?

    /// Calls of a run that was given neither a duration nor a count; nil: three seconds.
    var standardCalls: Int? {
        switch cause.expectation {
        case .none: 23
        case .always: 1000
        case .sometimes, .withstood: nil
        }
    }

    /// Pages that memory failure may take from the host, since only a reboot surely gives them back.
    static let poisonLimit = 200
}

extension Scenario {
    init(_ cause: Cause) {
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
        }
    }
}
