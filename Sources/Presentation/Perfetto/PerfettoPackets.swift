// SPDX-License-Identifier: Apache-2.0

// The packets of a Perfetto trace, as its files trace_packet.proto, track_descriptor.proto, track_event.proto,
// debug_annotation.proto and clock_snapshot.proto describe them. This file knows the numbers of the fields, and nothing
// about the meaning of a run. All packets are of one sequence; nothing is interned.

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

    /// The first packet: times are CLOCK_MONOTONIC, with the wall clock of the same moment.
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

    /// A track at a place among those with the same parent. Tracks of one name stay separate, because two threads can
    /// have the same number one after the other. With `unit` the track is a counter.
    mutating func track(_ uuid: UInt64, name: String, parent: UInt64?, rank: Int, unit: String? = nil) {
        packet {
            $0.message(60) {
                $0.number(1, uuid)
                $0.text(2, name)
                if let parent { $0.number(5, parent) }
                if let unit { $0.message(8) { $0.text(6, unit) } }
                $0.number(11, 3)  // ChildTracksOrdering EXPLICIT
                $0.number(12, UInt64(rank))
                $0.number(15, 2)  // SIBLING_MERGE_BEHAVIOR_NONE
            }
        }
    }

    /// Declares a thread, as in a trace of the whole system.
    mutating func thread(_ uuid: UInt64, pid: UInt32, tid: UInt32, name: String) {
        packet {
            $0.message(60) {
                $0.number(1, uuid)
                $0.message(4) {
                    $0.number(1, UInt64(pid))
                    $0.number(2, UInt64(tid))
                    $0.text(5, name)
                }
            }
        }
    }

    /// Declares a process.
    mutating func process(_ uuid: UInt64, pid: UInt32, name: String) {
        packet {
            $0.message(60) {
                $0.number(1, uuid)
                $0.message(3) {
                    $0.number(1, UInt64(pid))
                    $0.text(6, name)
                }
            }
        }
    }

    /// The value of a counter from a given time.
    mutating func value(_ value: Double, of track: UInt64, at time: UInt64) {
        packet {
            $0.number(8, time)
            $0.message(11) {
                $0.number(9, EventType.counter.rawValue)
                $0.number(11, track)
                $0.double(44, value)
            }
        }
    }

    enum EventType: UInt64 {
        case sliceBegin = 1
        case sliceEnd = 2
        case instant = 3
        case counter = 4
    }

    /// Start, end or instant on a track; an end needs no name. A flow joins events with the same number.
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
