// SPDX-License-Identifier: Apache-2.0 AND (GPL-2.0-only OR BSD-2-Clause)

// Asking the kernel where a function lies, and which one lies at an address, through a program of a few
// instructions that runs on demand: bpf_kallsyms_lookup_name() finds the address, and "%pS" says
// what is there and how long it is. That takes microseconds where the kernel keeps its names sorted.

import CLibbpf
import Glibc

/// An open query; nothing of it stays in the kernel when it is destroyed.
@safe final class SymbolQuery {
    private static let nameSize = 128
    private static let textSize = 192
    /// What the program and this process share: the address, its text, the name.
    private static let textOffset = 8
    private static let nameOffset = textOffset + textSize
    private static let size = nameOffset + nameSize
    private static let programType = BPF_PROG_TYPE_SYSCALL

    /// A function that only kernels with sorted names have.
    private static let sortedNames = "kallsyms_on_each_match_symbol"
    /// Names that must have been asked for when the types were read.
    static let types = [sortedNames]

    private let program: Int32
    private let memory: UnsafeMutableRawPointer

    /// Nil where the kernel does not answer: before 5.16, without the rights to see addresses, and where it
    /// would walk through all its symbols for each name.
    init?(types: borrowing KernelTypes) {
        // Came with the sorted names (6.2, 4dc533e0f2c0).
        guard types.argumentCount(of: Self.sortedNames) != nil else { return nil }
        let shared = Self.makeMap(UInt32(Self.size), flags: UInt32(BPF_F_MMAPABLE))
        let format = Self.makeMap(8, flags: UInt32(BPF_F_RDONLY_PROG))
        defer {
            close(shared)
            close(format)
        }
        guard shared >= 0, format >= 0 else { return nil }
        var key: UInt32 = 0
        var text: [UInt8] = Array("%pS".utf8) + [0, 0, 0, 0, 0]
        // Key and value live over the call and have the sizes that the map was made with.
        guard unsafe bpf_map_update_elem(format, &key, &text, 0) == 0, bpf_map_freeze(format) == 0,
            let loaded = Self.load(shared: shared, format: format)
        else { return nil }
        // The map has this size; the mapping keeps it when its descriptor is closed.
        let mapped = unsafe mmap(nil, Self.size, PROT_READ | PROT_WRITE, MAP_SHARED, shared, 0)
        guard let mapped = unsafe mapped, unsafe mapped != MAP_FAILED else {
            close(loaded)
            return nil
        }
        unsafe memory = unsafe mapped
        program = loaded
        // A kernel that hides its addresses refuses when it is asked.
        guard extent(of: "get_futex_key") != nil else { return nil }
    }

    deinit {
        unsafe munmap(memory, Self.size)
        close(program)
    }

    /// Where a function lies, up to the next symbol; nil when there is none of exactly this name.
    func extent(of name: String) -> Range<UInt64>? {
        guard name.utf8.count < Self.nameSize, let answer = ask(address: 0, name: name) else { return nil }
        return Self.extent(at: answer.address, text: answer.text)
    }

    /// What lies at an address: "name+0x10/0x2c0", or a number where nothing is known; nil when the kernel
    /// does not answer any more.
    func text(at address: UInt64) -> String? { ask(address: address, name: "")?.text }

    private func ask(address: UInt64, name: String) -> (address: UInt64, text: String)? {
        // All of it lies within `size` bytes.
        unsafe memset(memory, 0, Self.size)
        unsafe memory.storeBytes(of: address, as: UInt64.self)
        unsafe (memory + Self.nameOffset).copyMemory(from: Array(name.utf8), byteCount: name.utf8.count)
        var run = unsafe bpf_test_run_opts()
        unsafe run.sz = MemoryLayout<bpf_test_run_opts>.size
        guard unsafe bpf_prog_test_run_opts(program, &run) == 0, unsafe run.retval == 0 else { return nil }
        let text = unsafe UnsafeRawBufferPointer(start: memory + Self.textOffset, count: Self.textSize)
        return unsafe (memory.load(as: UInt64.self), String(decoding: text.prefix { $0 != 0 }, as: UTF8.self))
    }

    /// From "name+0x0/0x2c0", and "… [module]" behind that.
    static func extent(at address: UInt64, text: String) -> Range<UInt64>? {
        guard address != 0, let slash = text.lastIndex(of: "/"), text[..<slash].hasSuffix("+0x0"),
            let size = UInt64(text[slash...].dropFirst(3).prefix { $0.isHexDigit }, radix: 16), size > 0,
            address <= .max - size
        else { return nil }
        return address..<address + size
    }

    private static func makeMap(_ size: UInt32, flags: UInt32) -> Int32 {
        var options = bpf_map_create_opts()
        options.sz = MemoryLayout<bpf_map_create_opts>.size
        options.map_flags = flags
        return unsafe bpf_map_create(BPF_MAP_TYPE_ARRAY, "futexscope_name", 4, size, 1, &options)
    }

    private static func load(shared: Int32, format: Int32) -> Int32? {
        // r6 = shared; *(r10 - 8) = r1 = *r6; if r1 is not 0, go on at the text;
        // r1 = r6 + name; r2 = its size; r3 = 0; r4 = r10 - 8;
        // r0 = bpf_kallsyms_lookup_name(r1, r2, r3, r4); if r0 is not 0, exit; *r6 = *(r10 - 8);
        // r1 = r6 + text; r2 = its size; r3 = format; r4 = r10 - 8; r5 = 8;
        // bpf_snprintf(r1, r2, r3, r4, r5); r0 = 0; exit
        let instructions: [bpf_insn] = [
            .make(0x18, destination: 6, source: 2, immediate: shared), .make(0),
            .make(0x79, destination: 1, source: 6), .make(0x7b, destination: 10, source: 1, offset: -8),
            .make(0x55, destination: 1, offset: 10),
            .make(0xbf, destination: 1, source: 6), .make(0x07, destination: 1, immediate: Int32(nameOffset)),
            .make(0xb7, destination: 2, immediate: Int32(nameSize)), .make(0xb7, destination: 3),
            .make(0xbf, destination: 4, source: 10), .make(0x07, destination: 4, immediate: -8),
            .make(0x85, immediate: 179), .make(0x55, offset: 12),
            .make(0x79, destination: 1, source: 10, offset: -8), .make(0x7b, destination: 6, source: 1),
            .make(0xbf, destination: 1, source: 6), .make(0x07, destination: 1, immediate: Int32(textOffset)),
            .make(0xb7, destination: 2, immediate: Int32(textSize)),
            .make(0x18, destination: 3, source: 2, immediate: format), .make(0),
            .make(0xbf, destination: 4, source: 10), .make(0x07, destination: 4, immediate: -8),
            .make(0xb7, destination: 5, immediate: 8), .make(0x85, immediate: 165), .make(0xb7), .make(0x95),
        ]
        var options = unsafe bpf_prog_load_opts()
        unsafe options.sz = MemoryLayout<bpf_prog_load_opts>.size
        unsafe options.prog_flags = UInt32(BPF_F_SLEEPABLE)
        // The kernel copies the instructions during the call.
        let program = unsafe bpf_prog_load(
            programType, "futexscope_name", "Dual BSD/GPL", instructions, instructions.count, &options)
        return program >= 0 ? program : nil
    }
}
