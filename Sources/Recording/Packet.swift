// SPDX-License-Identifier: Apache-2.0

// A packet, the unit that is written and read whole or not at all. Its records follow the header and context of the
// Common Trace Format, which contain a checksum, so that a damaged packet is recognised. Times, sizes and counts follow
// CTF 1.8, sections 5 and 6: sizes are in bits, `events_discarded` counts from the start of the stream.

import CCRC32C
import Events

/// The bytes before the records of a packet.
struct PacketHead: Equatable {
    static let magic: UInt32 = 0xc1fc_1fc1
    /// Bytes of magic, UUID, stream id and stream instance, and then the context.
    static let size = 4 + 16 + 4 + 8 + contextSize
    private static let contextSize = 6 * 8 + 8 + 4
    private static let checksumOffset = size - 4

    var trace: RunID
    var beginTime: UInt64 = 0
    var endTime: UInt64 = 0
    /// Bytes up to the end of the last record, this head included.
    var contentSize = 0
    /// Of the whole packet: the content, and zeros behind it.
    var byteCount = 0
    /// Counts from 0 at the start of the recording.
    var sequenceNumber: UInt64 = 0
    /// Events that were discarded before they could be recorded, up to the end of this packet.
    var eventsDiscarded: UInt64 = 0
    /// Records in all packets before this one.
    var recordsBefore: UInt64 = 0

    /// Stores the head of a finished packet into its first bytes, the checksum last.
    func store(into bytes: UnsafeMutableRawBufferPointer) {
        // A packet is no shorter than a head.
        guard bytes.count >= Self.size, let base = bytes.baseAddress else { return }
        var out = unsafe RecordStore(base)
        out.put(Self.magic)
        out.put(trace.high.bigEndian)
        out.put(trace.low.bigEndian)
        out.put(UInt32(0))
        out.put(UInt64(0))
        let (content, packet) = (UInt64(contentSize) * 8, UInt64(byteCount) * 8)
        for word in [beginTime, endTime, content, packet, sequenceNumber, eventsDiscarded, recordsBefore] {
            out.put(word)
        }
        out.put(UInt32(0))
        out = unsafe RecordStore(base + Self.checksumOffset)
        unsafe out.put(Self.checksum(UnsafeRawBufferPointer(bytes)))
    }

    /// Loads a head; nil when these bytes are not the start of a packet of this trace.
    init?(loading bytes: UnsafeRawBufferPointer, trace: RunID) {
        guard bytes.count >= Self.size else { return nil }
        // The head is the same in every format.
        var load = unsafe RecordLoad(bytes, from: 0, format: 1)
        guard load.take(UInt32.self) == Self.magic, UInt64(bigEndian: load.take(UInt64.self)) == trace.high,
            UInt64(bigEndian: load.take(UInt64.self)) == trace.low, load.take(UInt32.self) == 0,
            load.take(UInt64.self) == 0
        else { return nil }
        self.trace = trace
        beginTime = load.take(UInt64.self)
        endTime = load.take(UInt64.self)
        let (content, packet) = (load.take(UInt64.self), load.take(UInt64.self))
        guard packet % 8 == 0, content % 8 == 0, content / 8 >= UInt64(Self.size), content <= packet,
            packet / 8 <= UInt64(Self.limit)
        else { return nil }
        (contentSize, byteCount) = (Int(content / 8), Int(packet / 8))
        sequenceNumber = load.take(UInt64.self)
        eventsDiscarded = load.take(UInt64.self)
        recordsBefore = load.take(UInt64.self)
    }

    init(trace: RunID) { self.trace = trace }

    /// The largest packet that a reader accepts, in bytes.
    static let limit = 1 << 16

    /// Whether the checksum of the whole packet is right.
    static func isIntact(_ packet: UnsafeRawBufferPointer) -> Bool {
        var load = unsafe RecordLoad(packet, from: checksumOffset, format: 1)
        let stored = load.take(UInt32.self)
        return unsafe load.isWhole && stored == checksum(packet)
    }

    /// Over all bytes of a packet but those of the checksum itself.
    private static func checksum(_ packet: UnsafeRawBufferPointer) -> UInt32 {
        // Both parts lie inside the packet, which is no shorter than a head.
        let head = unsafe fs_crc32c(0, packet.baseAddress, checksumOffset)
        return unsafe fs_crc32c(head, packet.baseAddress?.advanced(by: size), packet.count - size)
    }
}
