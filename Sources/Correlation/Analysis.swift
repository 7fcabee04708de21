// A run seen as a whole, for a report: how passes and durations are distributed, when findings came, and
// how observations lie in time against the operations that detach pages. Streaming, memory bounded.

public import Events

/// Feed it every event with the finding that the correlator made of it, then `finish()` once.
public struct Analysis: Sendable, Equatable {
    public init() {}

    public mutating func consume(_ event: Event, finding: Finding?) {}

    public mutating func finish() {}
}
