// What one read of a file gives: as many packets as are in it whole and intact, one after the other. Reading, finding
// the packets and comparing their checksums needs nothing of what the records say, so it can be done ahead.

/// Bytes of a file with the packets in them, used again and again.
@safe final class PacketRun {
    /// Large enough that reading costs little, small enough to stay in the processor's cache with the events
    /// that are made of it.
    static let bufferBytes = 128 << 10

    private let buffer = UnsafeMutableRawBufferPointer.allocate(byteCount: bufferBytes, alignment: 64)
    /// In their order in the file; none where none begins, or where it could not be read.
    private(set) var heads: [PacketHead] = []
    /// Bytes of all the packets.
    private(set) var byteCount = 0
    private(set) var failure: SystemFailure?

    deinit { unsafe buffer.deallocate() }

    /// Takes what begins at a place.
    func load(_ place: ReadPlace) {
        heads.removeAll(keepingCapacity: true)
        (byteCount, failure) = (0, nil)
        guard place.offset < place.end else { return }
        let got: Int
        do throws(SystemFailure) {
            got = unsafe try place.file.read(into: buffer, at: place.offset)
        } catch {
            failure = error
            return
        }
        while place.offset + UInt64(byteCount) < place.end {
            // Inside what was read: a packet that reaches beyond it is not counted.
            let rest = unsafe UnsafeRawBufferPointer(rebasing: buffer[byteCount..<got])
            guard let head = unsafe PacketHead(loading: rest, trace: place.trace), head.byteCount <= rest.count,
                unsafe PacketHead.isIntact(UnsafeRawBufferPointer(rebasing: rest[..<head.byteCount]))
            else { return }
            heads.append(head)
            byteCount += head.byteCount
        }
    }

    /// The records of the packet that begins `place` bytes after the first; valid until the next load.
    func records(of head: PacketHead, at place: Int) -> RecordLoad {
        // The whole packet is in the buffer.
        unsafe RecordLoad(
            UnsafeRawBufferPointer(rebasing: buffer[place..<place + head.contentSize]), from: PacketHead.size)
    }
}
