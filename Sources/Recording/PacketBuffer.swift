// Records on their way into a packet, in a page of memory. What is stored, and what a packet's head says of
// it, is kept together here and apart from files, so that a record costs little more than its fields.

import Events

/// The packet that is being filled.
@safe struct PacketBuffer {
    /// A page.
    private let bytes: UnsafeMutableRawBufferPointer
    /// Bytes of the page in which the packet will lie.
    private(set) var room: Int
    /// Bytes up to the end of the last record, the head included.
    private(set) var count = PacketHead.size
    private(set) var records: UInt64 = 0
    /// The stamp of the first record.
    private(set) var beginTime: UInt64 = 0
    /// The stamp of the last one, also of the packet before.
    private(set) var lastStamp: UInt64 = 0

    /// Lookups may go in without another question: the packet has begun, and nothing has to go ahead of them.
    var isOpen = false
    /// Of a lookup with its stamp and kind: the record of which a storm consists.
    private let lookupBytes: Int

    /// Fills `bytes`, which outlive this value.
    init(_ bytes: UnsafeMutableRawBufferPointer) {
        unsafe self.bytes = unsafe bytes
        room = bytes.count
        var size = RecordSize()
        RecordKind.lookup.visitBlank(&size, format: Metadata.formats.upperBound)
        lookupBytes = size.bytes + 9
    }

    /// Stores a lookup as `put` does, where the packet is open; its fields are compared with the room together.
    @inline(__always)
    mutating func putOpen(_ lookup: Lookup, isProgress: Bool) -> Bool {
        guard isOpen, room - count >= lookupBytes, let start = unsafe bytes.baseAddress else { return false }
        let stamp = max(lookup.time, lastStamp)
        // `lookupBytes` from `count` on lie within the packet.
        var store = unsafe WholeRecordStore(start + count)
        store.put(stamp)
        store.put((isProgress ? RecordKind.progress : .lookup).rawValue)
        var lookup = lookup
        lookup.visit(&store)
        count += lookupBytes
        add(stamp)
        return true
    }

    /// Stores one record, whose stamp is no earlier than that of the last; false, and nothing, where it does not fit.
    @inline(__always)
    mutating func put(_ kind: RecordKind, at time: UInt64, _ visit: (inout RecordStore) -> Void) -> Bool {
        let stamp = max(time, lastStamp)
        // `room` is no more than there are bytes.
        var store = unsafe RecordStore(
            UnsafeMutableRawBufferPointer(start: bytes.baseAddress, count: room), from: count)
        store.put(stamp)
        store.put(kind.rawValue)
        visit(&store)
        if store.overflowed { return false }
        count = room - store.left
        add(stamp)
        return true
    }

    @inline(__always)
    private mutating func add(_ stamp: UInt64) {
        if records == 0 { beginTime = stamp }
        records += 1
        lastStamp = stamp
    }

    /// The packet with its head, and with zeros up to the end of the page where that is asked for or not worth
    /// keeping.
    func finished(_ head: inout PacketHead, fillsPage: Bool, smallestRest: Int) -> UnsafeRawBufferPointer {
        head.beginTime = records == 0 ? lastStamp : beginTime
        head.endTime = lastStamp
        head.contentSize = count
        head.byteCount = fillsPage || room - count < smallestRest ? room : count
        // Both lie within the page.
        let packet = unsafe UnsafeMutableRawBufferPointer(rebasing: bytes[..<head.byteCount])
        unsafe UnsafeMutableRawBufferPointer(rebasing: packet[count...]).initializeMemory(as: UInt8.self, repeating: 0)
        unsafe head.store(into: packet)
        return UnsafeRawBufferPointer(packet)
    }

    /// Begins the next packet, which has so many bytes of a page.
    mutating func clear(room: Int) {
        (count, records, isOpen) = (PacketHead.size, 0, false)
        self.room = room
    }
}
