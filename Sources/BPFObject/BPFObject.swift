// The compiled BPF object, inside the binary. The bytes are an ELF file for libbpf; nothing here
// looks into them.

/// The BPF object that belongs to this build.
public enum BPFObject {
    /// The ELF file's bytes, decoded from the literal that the build embeds.
    public static func bytes() -> [UInt8] {
        embeddedObjectHex.withUTF8Buffer { hex in
            stride(from: 0, to: hex.count, by: 2).map { position in
                // Inside the literal, whose length the build makes even.
                unsafe nibble(hex[position]) << 4 | nibble(hex[position + 1])
            }
        }
    }

    private static func nibble(_ digit: UInt8) -> UInt8 {
        digit < UInt8(ascii: "a") ? digit - UInt8(ascii: "0") : digit - UInt8(ascii: "a") + 10
    }
}
