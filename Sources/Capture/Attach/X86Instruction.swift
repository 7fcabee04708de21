// SPDX-License-Identifier: Apache-2.0

// Instructions of x86-64, as far as control flow needs them: the length of each, and where it can lead. It knows the
// instructions that compilers use in kernel code. For any other (VEX, and bytes that are no instruction) the result is
// nil, and a function that contains one is not understood.

extension Instruction {
    /// The instruction at the start of `bytes`, whose indexes are offsets in a function at `base`.
    init?(x86 bytes: ArraySlice<UInt8>, base: UInt64) {
        guard let start = bytes.indices.first else { return nil }
        var reader = X86Reader(bytes: bytes)
        guard let (flow, loadsFault) = reader.read(base: base), reader.length <= 15 else { return nil }
        let whole = Array(bytes[start..<start + reader.length])
        self.init(
            offset: start, length: reader.length, flow: flow, loadsFault: loadsFault,
            // cmp $-14,%eax
            comparesFault: whole == [0x83, 0xf8, 0xf2], tests: RegisterTest(x86: whole))
    }

    /// The target of a call or jump that has a displacement of 32 bits after its first byte.
    static func target32(_ bytes: ArraySlice<UInt8>, from base: UInt64) -> UInt64 {
        let start = bytes.startIndex
        guard bytes.count >= 5 else { return 0 }
        let field = (0..<4).reduce(UInt32(0)) { $0 | UInt32(bytes[start + 1 + $1]) << UInt32($1 * 8) }
        return base &+ UInt64(start) &+ 5 &+ UInt64(bitPattern: Int64(Int32(bitPattern: field)))
    }
}

extension Instruction.RegisterTest {
    /// `test` of a register with itself, if it is one of those that are kept over calls.
    fileprivate init?(x86 bytes: [UInt8]) {
        guard bytes.count == 2 || bytes.count == 3 && bytes[0] & 0xf0 == 0x40 else { return nil }
        let (prefix, code, operands) = (bytes.count == 3 ? bytes[0] : 0, bytes[bytes.count - 2], bytes[bytes.count - 1])
        guard code == 0x84 || code == 0x85, operands >= 0xc0 else { return nil }
        // The prefix has the fourth bit of each number: 4 for the first operand, 1 for the second.
        let first = operands >> 3 & 7 | (prefix & 4) << 1
        let second = operands & 7 | (prefix & 1) << 3
        // Without the prefix, 5 is the second byte of another register.
        guard first == second, prefix != 0 || code == 0x85 || first < 4 else { return nil }
        let kept: [UInt8] = [3, 5, 12, 13, 14, 15]
        guard let register = kept.firstIndex(of: first) else { return nil }
        self.init(register: register, mask: code == 0x84 ? 0xff : prefix & 8 != 0 ? .max : 0xffff_ffff)
    }
}

private struct X86Reader {
    let bytes: ArraySlice<UInt8>
    private(set) var length = 0
    private var isShortOperand = false  // prefix 66
    private var isShortAddress = false  // prefix 67
    private var isWide = false  // REX.W

    init(bytes: ArraySlice<UInt8>) { self.bytes = bytes }

    /// Reads one instruction; nil when it is unknown or incomplete.
    mutating func read(base: UInt64) -> (Instruction.Flow, loadsFault: Bool)? {
        guard var code = next() else { return nil }
        while Self.prefixes.contains(code) {
            if code == 0x66 { isShortOperand = true }
            if code == 0x67 { isShortAddress = true }
            guard length < 15, let following = next() else { return nil }
            code = following
        }
        if code & 0xf0 == 0x40 {
            isWide = code & 8 != 0
            guard let following = next() else { return nil }
            code = following
        }
        return code == 0x0f ? readTwoByte(base: base) : readOneByte(code, base: base)
    }

    private static let prefixes: Set<UInt8> = [
        0x26, 0x2e, 0x36, 0x3e, 0x64, 0x65, 0x66, 0x67, 0xf0, 0xf2, 0xf3,
    ]

    // MARK: Opcodes

    private mutating func readOneByte(_ code: UInt8, base: UInt64) -> (Instruction.Flow, loadsFault: Bool)? {
        switch code {
        case 0x70...0x7f, 0xe0...0xe3: return relative(1, base: base) { .branch($0) }
        case 0xeb: return relative(1, base: base) { .jump($0) }
        case 0xe8: return relative(4, base: base) { .call($0) }
        case 0xe9: return relative(4, base: base) { .jump($0) }
        case 0xc2: return skip(2) ? (.return, false) : nil
        case 0xc3: return (.return, false)
        case 0xcc: return (.breakpoint, false)
        case 0xcf, 0xf4: return (.end, false)
        case 0xb8...0xbf:
            // A whole word only here.
            let count = isWide ? 8 : isShortOperand ? 2 : 4
            let value = unsigned(count)
            return value.map { (.onward, $0 == 0xffff_fff2 || $0 == 0xffff_ffff_ffff_fff2) }
        case 0xc7:
            guard modRM() != nil else { return nil }
            return unsigned(isShortOperand ? 2 : 4).map { (.onward, $0 == 0xffff_fff2) }
        case 0xff:
            guard let operation = modRM() else { return nil }
            return (operation & 6 == 4 ? .end : .onward, false)
        case 0xf6, 0xf7:
            // TEST has an immediate operand, the others of its group have none.
            guard let operation = modRM() else { return nil }
            let count = operation > 1 ? 0 : code == 0xf6 ? 1 : immediate
            return skip(count) ? (.onward, false) : nil
        default:
            guard let shape = Self.oneByte(code) else { return nil }
            return take(shape) ? (.onward, false) : nil
        }
    }

    private mutating func readTwoByte(base: UInt64) -> (Instruction.Flow, loadsFault: Bool)? {
        guard let code = next() else { return nil }
        switch code {
        case 0x80...0x8f: return relative(4, base: base) { .branch($0) }
        case 0x0b: return (.end, false)
        case 0xb9, 0xff: return modRM() == nil ? nil : (.end, false)
        case 0x38, 0x3a:
            guard next() != nil, take(code == 0x38 ? .modRM : .modRMByte) else { return nil }
            return (.onward, false)
        default:
            guard let shape = Self.twoByte(code) else { return nil }
            return take(shape) ? (.onward, false) : nil
        }
    }

    /// What follows an opcode.
    private enum Shape { case nothing, byte, word, modRM, modRMByte, modRMWord, offset, enter }

    private static func oneByte(_ code: UInt8) -> Shape? {
        switch code {
        case 0x00...0x3f:
            switch code & 7 {
            case 0...3: .modRM
            case 4: .byte
            case 5: .word
            default: nil
            }
        case 0x50...0x5f, 0x6c...0x6f, 0x90...0x99, 0x9b...0x9f, 0xa4...0xa7, 0xaa...0xaf, 0xc9, 0xd7, 0xec...0xef,
            0xf1, 0xf5, 0xf8...0xfd:
            .nothing
        case 0x63, 0x84...0x8f, 0xd0...0xd3, 0xd8...0xdf, 0xfe: .modRM
        case 0x68, 0xa9: .word
        case 0x69, 0x81: .modRMWord
        case 0x6a, 0xa8, 0xb0...0xb7, 0xcd, 0xe4...0xe7: .byte
        case 0x6b, 0x80, 0x83, 0xc0, 0xc1, 0xc6: .modRMByte
        case 0xa0...0xa3: .offset
        case 0xc8: .enter
        default: nil
        }
    }

    private static func twoByte(_ code: UInt8) -> Shape? {
        switch code {
        case 0x05...0x09, 0x0e, 0x30...0x37, 0x77, 0xa0...0xa2, 0xa8...0xaa, 0xc8...0xcf: .nothing
        case 0x70...0x73, 0xa4, 0xac, 0xba, 0xc2, 0xc4...0xc6: .modRMByte
        case 0x00...0x03, 0x0d, 0x10...0x23, 0x28...0x2f, 0x40...0x6f, 0x74...0x76, 0x78...0x7f, 0x90...0x9f, 0xa3,
            0xa5, 0xab, 0xad...0xaf, 0xb0...0xb8, 0xbb...0xbf, 0xc0, 0xc1, 0xc3, 0xc7, 0xd0...0xfe:
            .modRM
        default: nil
        }
    }

    // MARK: Bytes

    private var immediate: Int { isShortOperand ? 2 : 4 }

    private mutating func next() -> UInt8? {
        guard length < bytes.count else { return nil }
        length += 1
        return bytes[bytes.startIndex + length - 1]
    }

    private mutating func skip(_ count: Int) -> Bool {
        guard bytes.count - length >= count else { return false }
        length += count
        return true
    }

    private mutating func unsigned(_ count: Int) -> UInt64? {
        let start = bytes.startIndex + length
        guard skip(count) else { return nil }
        return (0..<count).reduce(UInt64(0)) { $0 | UInt64(bytes[start + $1]) << UInt64($1 * 8) }
    }

    private mutating func relative(
        _ count: Int, base: UInt64, _ flow: (UInt64) -> Instruction.Flow
    ) -> (Instruction.Flow, loadsFault: Bool)? {
        guard let field = unsigned(count) else { return nil }
        let distance = count == 1 ? Int64(Int8(truncatingIfNeeded: field)) : Int64(Int32(truncatingIfNeeded: field))
        let after = base &+ UInt64(bytes.startIndex + length)
        return (flow(after &+ UInt64(bitPattern: distance)), false)
    }

    private mutating func take(_ shape: Shape) -> Bool {
        switch shape {
        case .nothing: true
        case .byte: skip(1)
        case .word: skip(immediate)
        case .modRM: modRM() != nil
        case .modRMByte: modRM() != nil && skip(1)
        case .modRMWord: modRM() != nil && skip(immediate)
        case .offset: skip(isShortAddress ? 4 : 8)
        case .enter: skip(3)
        }
    }

    /// Reads the operand byte with everything that belongs to it; returns its middle field.
    private mutating func modRM() -> UInt8? {
        guard let byte = next() else { return nil }
        let (mode, operand) = (byte >> 6, byte & 7)
        if mode == 3 { return byte >> 3 & 7 }
        var displacement = mode == 1 ? 1 : mode == 2 ? 4 : 0
        if operand == 4 {
            guard let index = next() else { return nil }
            if mode == 0, index & 7 == 5 { displacement = 4 }
        } else if mode == 0, operand == 5 {
            displacement = 4
        }
        return skip(displacement) ? byte >> 3 & 7 : nil
    }
}
