// Blocks that zstd or zlib has compressed, each by itself. The libraries are Debian's; that no byte goes beyond the
// room for it is their promise and the reason to take no code of one's own. How much room there is says the caller.

private import CCompression

/// Takes compressed blocks apart.
@safe final class Decompressor {
    enum Method {
        case zstd
        /// As zlib has it, not a bare deflate.
        case zlib
    }

    let method: Method
    /// Kept for its tables, which are larger than most blocks.
    private let context: OpaquePointer?

    init(_ method: Method) {
        self.method = method
        unsafe context = method == .zstd ? ZSTD_createDCtx() : nil
    }

    deinit { unsafe ZSTD_freeDCtx(context) }

    /// Makes `bytes` what was compressed into `block`: exactly `count` of them; false when it is anything else.
    func decompress(_ block: [UInt8], into bytes: inout [UInt8], count: Int) -> Bool {
        bytes.removeAll(keepingCapacity: true)
        bytes.append(addingCapacity: count) { room in
            unsafe room.withUnsafeMutableBufferPointer { room, filled in
                // Both get the true lengths, write no further than the room, and keep no address.
                filled = unsafe block.withUnsafeBytes { block in
                    unsafe self.written(UnsafeMutableRawBufferPointer(room), block, count)
                }
            }
        }
        return bytes.count == count
    }

    /// How many of the first `count` bytes of the room were written; 0 when the block is damaged.
    private func written(
        _ room: UnsafeMutableRawBufferPointer, _ block: UnsafeRawBufferPointer, _ count: Int
    ) -> Int {
        let size = min(count, room.count)
        switch method {
        case .zstd:
            let result = unsafe ZSTD_decompressDCtx(context, room.baseAddress, size, block.baseAddress, block.count)
            return ZSTD_isError(result) == 0 ? min(size, result) : 0
        case .zlib:
            var written = uLong(size)
            let result = unsafe uncompress(
                room.bindMemory(to: UInt8.self).baseAddress, &written,
                block.bindMemory(to: UInt8.self).baseAddress, uLong(block.count))
            return result == Z_OK ? min(size, Int(written)) : 0
        }
    }
}
