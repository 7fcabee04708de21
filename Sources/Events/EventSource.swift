// SPDX-License-Identifier: Apache-2.0

// How a run that is over is read again, from a recording or from a trace of the kernel's own tracer.

/// Events of a run that is over, read in the order in which they were emitted.
public protocol EventSource {
    var run: RunInfo { get }
    /// Passes on the next events; false when there are none left. A part that cannot be read is skipped and becomes an
    /// omission, as long as the place where reading can continue is known.
    mutating func read(into sink: inout some EventSink) throws -> Bool
    /// How far it has come, for a progress line.
    var progress: SourceProgress { get }
    /// What was left out so far.
    var omissions: [Omission] { get }
}

/// Bytes read and, where it is known, bytes in all.
public struct SourceProgress: Sendable, Equatable {
    public var bytesRead: UInt64
    public var bytesInAll: UInt64?

    public init(bytesRead: UInt64, bytesInAll: UInt64?) {
        self.bytesRead = bytesRead
        self.bytesInAll = bytesInAll
    }
}

/// Something in the source that is not among the events.
public struct Omission: Sendable, Equatable {
    /// Where: a file with an offset or a line.
    public var place: String
    /// One clause.
    public var what: String
    /// Because of it lookups may have met a page without a mapping and nothing shows it.
    public var hidesObservations: Bool

    public init(place: String, what: String, hidesObservations: Bool = false) {
        self.place = place
        self.what = what
        self.hidesObservations = hidesObservations
    }
}

/// A source that cannot be read. One line: what was read, where, what was expected, what to do.
public struct SourceError: Error, Sendable, Equatable {
    public var message: String
    public init(_ message: String) { self.message = message }
}
