// SPDX-License-Identifier: Apache-2.0

// What was lost, and where. Every stage of the pipeline counts its losses. All consequences of a loss at a stage are
// here, in one line for each stage: the text for readers, what the loss may hide, and its place in recordings.

/// Something that was lost at one stage. Counts are of events unless the stage says otherwise.
public struct Loss: Sendable, Equatable {
    /// CLOCK_MONOTONIC nanoseconds; 0 when it is not known.
    public var time: UInt64
    public var stage: Stage
    public var count: UInt64

    public init(time: UInt64, stage: Stage, count: UInt64) {
        self.time = time
        self.stage = stage
        self.count = count
    }

    /// Where in the pipeline, in the order of the data. The raw value is the name in all output. Part of the
    /// recording format; see `RecordedWord`.
    public enum Stage: String, NumberedWord {
        /// No room in the ring buffer: a lookup, its progress, a detach, an activity.
        case ringLookup = "ring-lookup"
        case ringProgress = "ring-progress"
        case ringDetach = "ring-detach"
        case ringActivity = "ring-activity"
        /// No room in the ring buffer for the path of a file; it is sent again a second later at the earliest.
        case ringName = "ring-name"
        /// A shared lookup that could not be followed: too many at once.
        case lookupTable = "lookup-table"
        /// An operation that could not be followed: too many at once.
        case operationTable = "operation-table"
        /// Two detaches used one slot of the detach table at the same time, and one was dropped.
        case slotCollision = "slot-collision"
        /// The slot of the page of an observation holds the detach of another page, which may have replaced its own.
        case slotOverwritten = "slot-overwritten"
        /// A return probe did not fire for a call whose entry was seen.
        case returnMissed = "return-missed"
        /// A lookup returned whose entry was not seen: skipped, or in progress when tracing started.
        case lookupMissed = "lookup-missed"
        /// A lookup failed as after an observation, but its page was not seen pinned.
        case observationMissed = "observation-missed"
        /// The page count of an operation was added to no operation: two tasks shared a scope slot.
        case scopeCollision = "scope-collision"
        /// The kernel skipped a program because another one was running on the same CPU.
        case programMissed = "program-missed"
        /// The kernel's trace buffer overwrote events before they were written as text, or a layer that passed its text
        /// on lost lines. Often both look alike, such as a cut line, and both mean the same for a finding.
        case ftraceBuffer = "ftrace-buffer"
        /// Emitted by the kernel side and not delivered to the reader: never, unless there is a bug.
        case delivery = "delivery"
        /// A record of unknown kind or wrong size was skipped.
        case malformed = "malformed"
        /// Events that a recording once held: a packet was damaged, or its file was removed for newer ones.
        case recording
        /// A detach left the correlator's memory before its lookup came, or there was no room for a loop.
        case correlator = "correlator"

        /// What a loss at a stage means. To add a stage, add its case and its line here.
        private var facts: Facts {
            switch self {
            case .ringLookup: Facts(1, 1, [.discardsEvents, .hidesEnds], "no room in the ring buffer for lookups")
            case .ringProgress: Facts(2, 1, [.discardsEvents], "no room in the ring buffer for progress")
            case .ringDetach:
                Facts(3, 1, [.discardsEvents, .touchesEvidence], "no room in the ring buffer for detaches")
            case .ringActivity:
                Facts(4, 1, [.discardsEvents, .hidesOperations], "no room in the ring buffer for activities")
            case .ringName: Facts(20, 3, [], "no room in the ring buffer for paths of files")
            case .lookupTable: Facts(5, 1, [], "too many lookups at once")
            case .operationTable: Facts(6, 1, [.hidesOperations], "too many operations at once")
            case .slotCollision: Facts(7, 1, [.touchesEvidence], "two detaches used one slot at once")
            case .slotOverwritten:
                Facts(8, 1, [.touchesEvidence], "an observation found the detach of another page in its slot")
            case .returnMissed: Facts(9, 1, [.hidesOperations, .hidesEnds], "a call's return was not seen")
            case .lookupMissed: Facts(10, 1, [.hidesEnds], "a lookup's entry was not seen")
            case .observationMissed: Facts(11, 1, [], "observations that no program saw")
            case .scopeCollision: Facts(12, 1, [], "pages that were counted for no operation")
            case .programMissed:
                Facts(
                    13, 1, [.touchesEvidence, .hidesOperations, .hidesEnds],
                    "the kernel skipped a program because another was running")
            case .ftraceBuffer:
                Facts(
                    18, 1, [.touchesEvidence, .hidesOperations, .hidesEnds],
                    "lost by the kernel's trace buffer, or by a layer that passed its text on")
            case .delivery:
                Facts(
                    14, 1, [.discardsEvents, .touchesEvidence, .hidesOperations, .hidesEnds],
                    "sent by the kernel side and not delivered")
            case .malformed:
                Facts(
                    15, 1, [.discardsEvents, .touchesEvidence, .hidesOperations, .hidesEnds],
                    "records of unknown kind or size")
            case .recording:
                Facts(
                    17, 1, [.touchesEvidence, .hidesOperations, .hidesEnds],
                    "in a part of the recording that is damaged or gone")
            case .correlator: Facts(16, 1, [.touchesEvidence], "no room in memory for a detach or a loop")
            }
        }

        private struct Facts {
            var number: UInt8
            var format: Int
            var effects: Effects
            var meaning: String

            /// The number in recordings, the format that brought it, the consequences of a loss, and the text for
            /// readers.
            init(_ number: UInt8, _ format: Int, _ effects: Effects, _ meaning: String) {
                (self.number, self.format, self.effects, self.meaning) = (number, format, effects, meaning)
            }
        }

        private struct Effects: OptionSet {
            let rawValue: UInt8
            static let touchesEvidence = Effects(rawValue: 1 << 0)
            static let hidesOperations = Effects(rawValue: 1 << 1)
            static let discardsEvents = Effects(rawValue: 1 << 2)
            static let hidesEnds = Effects(rawValue: 1 << 3)
        }

        public var number: UInt8 { facts.number }
        public var format: Int { facts.format }
        /// One clause for people.
        public var meaning: String { facts.meaning }
        /// Whether a finding may lack evidence because of a loss here.
        public var touchesEvidence: Bool { facts.effects.contains(.touchesEvidence) }
        /// Whether the start or end of an operation may be lost here, so that the times in which operations were in
        /// progress are lower bounds.
        public var hidesOperations: Bool { facts.effects.contains(.hidesOperations) }
        /// Whether the end of a lookup may be lost here, so that one that seems to loop may have returned.
        public var hidesEnds: Bool { facts.effects.contains(.hidesEnds) }
        /// Whether counts here are of events that would have been recorded: `events_discarded` of CTF.
        public var discardsEvents: Bool { facts.effects.contains(.discardsEvents) }
    }
}

/// Turns counts of losses that only grow into losses that are reported once.
public struct LossLog: Sendable {
    private var reported: [Loss.Stage: UInt64] = [:]

    public init() {}

    /// What is new in `counted`, in the order of the stages.
    public mutating func fresh(in counted: [Loss.Stage: UInt64], time: UInt64) -> [Loss] {
        Loss.Stage.allCases.compactMap { stage in
            let (count, before) = (counted[stage] ?? 0, reported[stage] ?? 0)
            guard count > before else { return nil }
            reported[stage] = count
            return Loss(time: time, stage: stage, count: count - before)
        }
    }
}
