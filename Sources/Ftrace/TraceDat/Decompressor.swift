// SPDX-License-Identifier: Apache-2.0

// Blocks that zstd has compressed, each by itself. That no byte goes beyond the room for it is the library's promise,
// and the reason to take no code of one's own. How much room there is says the caller.

private import CZstd

/// Takes compressed blocks apart.
@safe final class Decompressor {
    /// Kept for its tables, which are larger than most blocks.
    private let context: OpaquePointer?

    init() { unsafe context = ZSTD_createDCtx() }

    deinit { unsafe ZSTD_freeDCtx(context) }

    /// Makes `bytes` what was compressed into `block`: exactly `count` of them; false when it is anything else.
    func decompress(_ block: [UInt8], into bytes: inout [UInt8], count: Int) -> Bool {
        bytes.removeAll(keepingCapacity: true)
        bytes.append(addingCapacity: count) { room in
            unsafe room.withUnsafeMutableBufferPointer { room, filled in
                // It gets the true lengths, writes no further than the room, and keeps no address.
                let result = unsafe block.withUnsafeBytes { block in
                    unsafe ZSTD_decompressDCtx(
                        context, room.baseAddress, min(count, room.count), block.baseAddress, block.count)
                }
                filled = ZSTD_isError(result) == 0 ? min(count, Int(result)) : 0
            }
        }
        return bytes.count == count
    }
}
