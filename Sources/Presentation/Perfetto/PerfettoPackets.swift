// SPDX-License-Identifier: Apache-2.0

// The packets of a Perfetto trace, as its files trace_packet.proto, track_descriptor.proto,
// track_event.proto, debug_annotation.proto and clock_snapshot.proto describe them: which field has which
// number, and nothing of what a run means. All packets are of one sequence; nothing is interned.

import Events

extension Protobuf {
    /// One packet of the trace.
    private mutating func packet(isFirst: Bool = false, _ body: (inout Protobuf) -> Void) {
        message(1) {
            $0.number(10, 1)  // trusted_packet_sequence_id
            // SEQ_INCREMENTAL_STATE_CLEARED once, for the defaults; the others need that state.
            $0.number(13, isFirst ? 1 : 2)
            body(&$0)
        }
    }

    /// The first packet: times are CLOCK_MONOTONIC, and where the wall clock was meanwhile.
    mutating func clocks(_ clock: WallClock) {
        packet(isFirst: true) {
            $0.message(59) { $0.number(58, Self.monotonic) }  // trace_packet_defaults.timestamp_clock_id
            $0.message(6) {
                $0.message(1) {
                    $0.number(1, Self.monotonic)
                    $0.number(2, 0)
                }
                if clock.offsetNs > 0 {
                    $0.message(1) {
                        $0.number(1, 1)  // BUILTIN_CLOCK_REALTIME
                        $0.number(2, UInt64(clock.offsetNs))
                    }
                }
                $0.number(2, Self.monotonic)  // primary_trace_clock
            }
        }
    }

    private static let monotonic: UInt64 = 3

    mutating func system(kernelRelease: String) {
        packet {
            $0.message(45) {
                $0.message(1) {
                    $0.text(1, "Linux")
                    $0.text(3, kernelRelease)
                }
            }
        }
    }

    /// Tracks of one name stay apart: a thread that has another one's number is another thread.
    mutating func track(_ uuid: UInt64, name: String, parent: UInt64?) {
        packet {
            $0.message(60) {
                $0.number(1, uuid)
                $0.text(2, name)
                if let parent { $0.number(5, parent) }
                $0.number(15, 2)  // SIBLING_MERGE_BEHAVIOR_NONE
            }
        }
    }

    enum EventType: UInt64 {
        case sliceBegin = 1
        case sliceEnd = 2
        case instant = 3
    }

    /// Begin, end or instant on a track; an end needs no name. A flow joins what has its number.
    mutating func event(
        _ type: EventType, on track: UInt64, at time: UInt64, name: String? = nil, category: String? = nil,
        flow: UInt64? = nil, notes: (inout Protobuf) -> Void = { _ in }
    ) {
        packet {
            $0.number(8, time)
            $0.message(11) {
                notes(&$0)
                $0.number(9, type.rawValue)
                $0.number(11, track)
                if let category { $0.text(22, category) }
                if let name { $0.text(23, name) }
                if let flow { $0.fixed64(47, flow) }
            }
        }
    }

    // MARK: Debug annotations of an event

    mutating func note(_ name: String, _ value: UInt64?) {
        guard let value else { return }
        note(name) { $0.number(3, value) }
    }

    mutating func note(_ name: String, _ value: String?) {
        guard let value else { return }
        note(name) { $0.text(6, value) }
    }

    mutating func note(_ name: String, _ value: Bool?) {
        guard let value else { return }
        note(name) { $0.number(2, value ? 1 : 0) }
    }

    private mutating func note(_ name: String, value: (inout Protobuf) -> Void) {
        message(4) {
            $0.text(10, name)
            value(&$0)
        }
    }
}
