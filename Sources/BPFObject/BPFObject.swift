// SPDX-License-Identifier: Apache-2.0

// The compiled BPF object, inside the binary. The bytes are an ELF file for libbpf; nothing here
// looks into them.

/// The BPF object that belongs to this build.
public enum BPFObject {
    /// The ELF file's bytes, decoded from the literal that the build embeds.
    public static func bytes() -> [UInt8] {
        embeddedObjectHex.withUTF8Buffer { hex in
            // It ends with a table whose entries have 64 bytes.
            precondition(hex.count.isMultiple(of: 8))
            return unsafe [UInt8](unsafeUninitializedCapacity: hex.count / 2) { bytes, count in
                // Eight digits at once: one by one they would be a good part of a start.
                for position in stride(from: 0, to: hex.count, by: 8) {
                    // Both lie inside: four bytes for each eight digits.
                    let digits = unsafe UnsafeRawBufferPointer(hex).loadUnaligned(
                        fromByteOffset: position, as: UInt64.self)
                    unsafe UnsafeMutableRawBufferPointer(bytes).storeBytes(
                        of: bytesOf(UInt64(littleEndian: digits)).littleEndian, toByteOffset: position / 2,
                        as: UInt32.self)
                }
                count = hex.count / 2
            }
        }
    }

    /// Four bytes from eight lower-case digits, the first of both in the lowest place.
    private static func bytesOf(_ digits: UInt64) -> UInt32 {
        // A letter's low four bits are nine less than what it stands for, and its seventh bit is set.
        let values = (digits & 0x0f0f_0f0f_0f0f_0f0f) &+ (digits >> 6 & 0x0101_0101_0101_0101) &* 9
        var pairs = (values << 4 | values >> 8) & 0x00ff_00ff_00ff_00ff
        pairs = (pairs | pairs >> 8) & 0x0000_ffff_0000_ffff
        return UInt32(truncatingIfNeeded: pairs | pairs >> 16)
    }
}
