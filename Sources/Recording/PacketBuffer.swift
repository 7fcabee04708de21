// SPDX-License-Identifier: Apache-2.0

// The packet that is being filled, in a page of memory. The records and what the packet's head needs to know of them
// are kept together here, apart from files, so that a record costs little more than its fields.

import Events

/// The packet that is being filled.
@safe struct PacketBuffer {
    private let page: UnsafeMutableRawPointer
    /// Bytes of the page in which the packet will lie.
    private(set) var room: Int
    /// Bytes up to the end of the last record, the head included.
    private(set) var count = PacketHead.size
    private(set) var records: UInt64 = 0
    /// The stamp of the first record.
    private(set) var beginTime: UInt64 = 0
    /// The stamp of the last record, which may be in an earlier packet.
    private(set) var lastStamp: UInt64 = 0
    /// A record may be stored without further checks: the packet has started, and nothing has to precede the record.
    var isOpen = false

    /// Fills `page`, which has `bytes` and outlives this value.
    init(_ page: UnsafeMutableRawPointer, bytes: Int) {
        unsafe self.page = unsafe page
        room = bytes
    }

    /// Stores one record, whose stamp is never earlier than that of the last.
    /// - Returns: false when it does not fit; then nothing is stored.
    @inline(__always)
    mutating func put(_ kind: RecordKind, _ fields: some FieldList, at time: UInt64) -> Bool {
        var fields = fields
        let stamp = max(time, lastStamp)
        var size = RecordSize()
        fields.visit(&size)
        let bytes = MemoryLayout.size(ofValue: stamp) + MemoryLayout.size(ofValue: kind.rawValue) + size.bytes
        guard room - count >= bytes else { return false }
        // By the comparison above, `bytes` bytes from `count` on lie within the page.
        var store = unsafe RecordStore(page + count)
        store.put(stamp)
        store.put(kind.rawValue)
        fields.visit(&store)
        count += bytes
        if records == 0 { beginTime = stamp }
        records += 1
        lastStamp = stamp
        return true
    }

    /// The packet with its head. It is filled with zeros up to the end of the page with `fillsPage`, or when fewer
    /// than `smallest` bytes are left. Valid until more is stored.
    func finished(_ head: inout PacketHead, fillsPage: Bool, smallest: Int) -> UnsafeRawBufferPointer {
        head.beginTime = records == 0 ? lastStamp : beginTime
        head.endTime = lastStamp
        head.contentSize = count
        head.byteCount = fillsPage || room - count < smallest ? room : count
        // Both lie within the page.
        let packet = unsafe UnsafeMutableRawBufferPointer(start: page, count: head.byteCount)
        unsafe UnsafeMutableRawBufferPointer(rebasing: packet[count...]).initializeMemory(as: UInt8.self, repeating: 0)
        unsafe head.store(into: packet)
        return UnsafeRawBufferPointer(packet)
    }

    /// Starts the next packet, which has `room` bytes of a page.
    mutating func clear(room: Int) {
        (count, records, isOpen) = (PacketHead.size, 0, false)
        self.room = room
    }
}
