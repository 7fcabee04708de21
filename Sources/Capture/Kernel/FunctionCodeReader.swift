// SPDX-License-Identifier: Apache-2.0 AND (GPL-2.0-only OR BSD-2-Clause)

// The code of a kernel function as it is in memory now, and whether this code runs when the function is called. A
// program of six instructions reads it, with the rights that tracing needs anyway: /proc/kcore would need another
// right, and not every kernel has it.

import CLibbpf
import Glibc
import System

enum FunctionCodeReader {
    /// No function that is looked at is larger.
    private static let limit = 16384

    /// The bytes of a function from its first one to the next symbol. `read` gets them from the kernel, or nil with
    /// errno.
    static func code(
        of function: String, symbols: KernelSymbols, read: (UInt64, Int) -> [UInt8]? = readByProgram
    ) throws(CallSites.Unusable) -> FunctionCode {
        guard symbols.has(function), let extent = symbols.extents[function] else {
            throw CallSites.Unusable("its address is not known")
        }
        let count = Int(clamping: extent.upperBound - extent.lowerBound)
        guard count <= limit else { throw CallSites.Unusable("its \(count) bytes are too many") }
        guard let bytes = read(extent.lowerBound, count) else {
            throw CallSites.Unusable("its code cannot be read: \(errorText(errno))")
        }
        return FunctionCode(architecture: FunctionCode.native, address: extent.lowerBound, bytes: bytes)
    }

    /// Nil with errno when the kernel refuses.
    static func readByProgram(_ address: UInt64, count: Int) -> [UInt8]? {
        let map = unsafe bpf_map_create(BPF_MAP_TYPE_ARRAY, "futexscope_code", 4, UInt32(count), 1, nil)
        guard map >= 0 else { return nil }
        defer { close(map) }
        func word(_ value: UInt64) -> Int32 { Int32(truncatingIfNeeded: value) }
        // r1 = the map's value; r2 = count; r3 = address; r0 = bpf_probe_read_kernel(r1, r2, r3); exit
        let program: [bpf_insn] = [
            .make(0x18, destination: 1, source: 2, immediate: map), .make(0),
            .make(0xb7, destination: 2, immediate: Int32(count)),
            .make(0x18, destination: 3, immediate: word(address)), .make(0, immediate: word(address >> 32)),
            .make(0x85, immediate: 113), .make(0x95),
        ]
        // The kernel copies the instructions during the call.
        let descriptor = unsafe bpf_prog_load(
            BPF_PROG_TYPE_RAW_TRACEPOINT, "futexscope_code", "Dual BSD/GPL", program, program.count, nil)
        guard descriptor >= 0 else { return nil }
        defer { close(descriptor) }
        var run = unsafe bpf_test_run_opts()
        unsafe run.sz = MemoryLayout<bpf_test_run_opts>.size
        guard unsafe bpf_prog_test_run_opts(descriptor, &run) == 0 else { return nil }
        guard unsafe run.retval == 0 else {
            errno = EFAULT
            return nil
        }
        var bytes = [UInt8](repeating: 0, count: (count + 7) / 8 * 8)
        var key: UInt32 = 0
        // The kernel writes one value of `count` bytes, rounded up to a multiple of eight.
        guard unsafe bpf_map_lookup_elem(map, &key, &bytes) == 0 else { return nil }
        return Array(bytes[..<count])
    }

    /// What replaces a function, as a clause; nil when no replacement is known. Only calls of the function are
    /// redirected, so probes on its instructions see nothing any more.
    static func substitute(for function: String) -> String? {
        if let name = livepatch(of: function) { return "the livepatch \(name) replaces \(function)" }
        for directory in ["/sys/kernel/tracing", "/sys/kernel/debug/tracing"] {
            guard let text = readText(directory + "/enabled_functions") else { continue }
            return isRedirected(function, enabledFunctions: text)
                ? "ftrace may redirect calls of \(function)" : nil
        }
        return nil
    }

    /// The enabled livepatch that replaces a function; nil when there is none.
    static func livepatch(of function: String) -> String? {
        for path in paths(matching: "/sys/kernel/livepatch/*/*/\(function),*") {
            let parts = path.split(separator: "/")
            guard parts.count > 3 else { continue }
            if readText("/sys/kernel/livepatch/\(parts[3])/enabled") != "0" { return String(parts[3]) }
        }
        return nil
    }

    /// "function (count) R I D\ttramp: …": I says that a tracer changes where execution continues.
    static func isRedirected(_ function: String, enabledFunctions text: String) -> Bool {
        text.split(separator: "\n").contains { line in
            guard line.hasPrefix(function + " ") else { return false }
            let flags = line.drop { $0 != ")" }.dropFirst().prefix { $0 != "\t" }
            return flags.split(separator: " ").contains("I")
        }
    }
}

extension bpf_insn {
    /// One instruction of a program that is written by hand.
    static func make(
        _ code: UInt8, destination: UInt8 = 0, source: UInt8 = 0, offset: Int16 = 0, immediate: Int32 = 0
    ) -> bpf_insn {
        var instruction = bpf_insn()
        instruction.code = code
        instruction.dst_reg = destination
        instruction.src_reg = source
        instruction.off = offset
        instruction.imm = immediate
        return instruction
    }
}
