// SPDX-License-Identifier: Apache-2.0

// The compiled BPF object, inside the binary: compressed, and as hexadecimal digits (see embed.sh). The bytes are an
// ELF file for libbpf; nothing here looks into them.

import CZlib

/// The BPF object that belongs to this build.
public enum BPFObject {
    /// The ELF file's bytes.
    public static func bytes() -> [UInt8] {
        let packed = embeddedObject.withUTF8Buffer { digits in
            stride(from: 0, to: digits.count, by: 2).map { position in
                // There are two for each byte.
                unsafe value(of: digits[position]) << 4 | value(of: digits[position + 1])
            }
        }
        return unsafe [UInt8](unsafeUninitializedCapacity: embeddedObjectSize) { bytes, count in
            var stream = unsafe z_stream()
            // 16 more window bits ask for the format of gzip.
            var result = unsafe inflateInit2_(&stream, 15 + 16, ZLIB_VERSION, Int32(MemoryLayout<z_stream>.size))
            precondition(result == Z_OK, "no memory for this program's BPF object")
            unsafe packed.withUnsafeBufferPointer { packed in
                // Both areas live over the call, and their true lengths go with them.
                unsafe stream.next_in = UnsafeMutablePointer(mutating: packed.baseAddress)
                unsafe stream.avail_in = UInt32(packed.count)
                unsafe stream.next_out = bytes.baseAddress
                unsafe stream.avail_out = UInt32(bytes.count)
                result = unsafe inflate(&stream, Z_FINISH)
            }
            count = Int(unsafe stream.total_out)
            _ = unsafe inflateEnd(&stream)
            precondition(result == Z_STREAM_END && count == embeddedObjectSize, "this program's BPF object is damaged")
        }
    }

    /// Of a lower-case hexadecimal digit.
    private static func value(of digit: UInt8) -> UInt8 {
        digit < UInt8(ascii: "a") ? digit - UInt8(ascii: "0") : digit - UInt8(ascii: "a") + 10
    }
}
