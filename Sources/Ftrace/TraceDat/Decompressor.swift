// SPDX-License-Identifier: Apache-2.0

// Decompresses blocks of zstd or zlib, each by itself. The libraries guarantee that they write no byte beyond the given
// memory, which is the reason to use them instead of own code. The caller says how large this memory is.

private import CZlib
private import CZstd

/// Decompresses blocks.
@safe final class Decompressor {
    /// What trace-cmd can compress with.
    enum Method: String { case zstd, zlib }

    private let method: Method
    /// Kept for its tables, which are larger than most blocks.
    private let context: OpaquePointer?

    init(_ method: Method) {
        self.method = method
        unsafe context = method == .zstd ? ZSTD_createDCtx() : nil
    }

    deinit { unsafe ZSTD_freeDCtx(context) }

    /// Replaces `bytes` with the decompressed contents of `block`, exactly `count` bytes; false when it has any other
    /// length.
    func decompress(_ block: [UInt8], into bytes: inout [UInt8], count: Int) -> Bool {
        bytes.removeAll(keepingCapacity: true)
        guard count > 0 else { return false }
        bytes.append(addingCapacity: count) { room in
            unsafe room.withUnsafeMutableBufferPointer { room, filled in
                // The libraries get the true lengths, write no further than the memory goes, and keep no address.
                unsafe block.withUnsafeBytes { block in
                    switch method {
                    case .zstd:
                        let result = unsafe ZSTD_decompressDCtx(
                            context, room.baseAddress, min(count, room.count), block.baseAddress, block.count)
                        filled = ZSTD_isError(result) == 0 ? min(count, Int(result)) : 0
                    case .zlib:
                        var length = UInt(min(count, room.count))
                        let result = unsafe uncompress(
                            room.baseAddress, &length, block.bindMemory(to: UInt8.self).baseAddress,
                            UInt(block.count))
                        filled = result == Z_OK ? min(count, Int(length)) : 0
                    }
                }
            }
        }
        return bytes.count == count
    }
}
