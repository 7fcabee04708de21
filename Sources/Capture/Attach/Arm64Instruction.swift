// SPDX-License-Identifier: Apache-2.0

// Instructions of arm64, as far as control flow needs them: all have four bytes, and the few that branch are recognised
// by their upper bits.

extension Instruction {
    /// The instruction at the start of `bytes`, whose indexes are offsets in a function at `base`. Nil at an incomplete
    /// instruction, and where a probe of another program hides the instruction.
    init?(arm64 bytes: ArraySlice<UInt8>, base: UInt64) {
        guard bytes.count >= 4, let start = bytes.indices.first else { return nil }
        let word = (0..<4).reduce(UInt32(0)) { $0 | UInt32(bytes[start + $1]) << UInt32($1 * 8) }
        let address = base &+ UInt64(start)
        /// A target `bits` wide from bit `shift` on, counted in instructions.
        func target(_ bits: UInt32, at shift: UInt32) -> UInt64 {
            let field = Int32(bitPattern: word << (32 - bits - shift)) >> Int32(32 - bits)
            return address &+ UInt64(bitPattern: Int64(field) * 4)
        }
        let flow: Flow
        if word & 0xfc00_0000 == 0x9400_0000 {
            flow = .call(target(26, at: 0))
        } else if word & 0xfc00_0000 == 0x1400_0000 {
            flow = .jump(target(26, at: 0))
        } else if word & 0xff00_0000 == 0x5400_0000 || word & 0x7e00_0000 == 0x3400_0000 {
            // b.cond, cbz, cbnz
            flow = .branch(target(19, at: 5))
        } else if word & 0x7e00_0000 == 0x3600_0000 {
            // tbz, tbnz
            flow = .branch(target(14, at: 5))
        } else if word & 0xffff_fc1f == 0xd65f_0000 || word & 0xffff_fbff == 0xd65f_0bff {
            // ret, retaa, retab
            flow = .return
        } else if word & 0xfedf_0000 == 0xd61f_0000 && word & 0x0020_0000 == 0 || word & 0xffe0_001f == 0xd420_0000
            || word >> 16 == 0
        {
            // br with and without authentication, brk, udf
            if word == Self.kprobeBreak { return nil }
            flow = .end
        } else {
            flow = .onward
        }
        // movn wN, #13
        self.init(offset: start, length: 4, flow: flow, loadsFault: word & 0xffff_ffe0 == 0x1280_01a0)
    }

    /// brk #4, which kprobes put in place of an instruction.
    private static let kprobeBreak: UInt32 = 0xd420_0080
}
