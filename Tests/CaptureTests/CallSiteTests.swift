// SPDX-License-Identifier: Apache-2.0

// Call sites in the code of real kernels, and none in code that only looks like it. What a disassembler says
// of the same bytes stands beside them in KernelCode.swift.

import Events
import Testing

@testable import Capture

@Suite struct CallSiteTests {
    static let good: [KernelCode] = [
        .v6_1, .v6_12, .v7_3, .arm64v6_1, .arm64v6_12, .arm64v7_3, .arm64Today, .x86Today,
    ]

    func sites(_ kernel: KernelCode) throws -> [Int] {
        try CallSites(in: kernel.code, targets: kernel.targets).unlocks
    }

    @Test("the unlocks of get_futex_key() are found, and nothing else", arguments: good)
    func found(kernel: KernelCode) throws {
        #expect(!kernel.sites.isEmpty)
        #expect(try sites(kernel) == kernel.sites)
    }

    /// Calls of the pin, what follows them, and returns, as a disassembler shows them.
    static let whole: [(KernelCode, pins: [Int], pinned: [Int], returns: [Int])] = [
        (.v6_1, [0xab, 0xc9], [0xb0, 0xce], [0x23c]), (.v6_12, [0xa0, 0xbe], [0xa5, 0xc3], [0x1c2]),
        (.v7_3, [0xf2, 0x10e], [0xf7, 0x113], [0x209]),
    ]

    @Test("the pins and the returns of a lookup are found", arguments: whole)
    func wholeLookup(kernel: KernelCode, pins: [Int], pinned: [Int], returns: [Int]) throws {
        let sites = try CallSites(in: kernel.code, targets: kernel.targets)
        #expect(sites.pins == pins)
        #expect(sites.pinned == pinned)
        #expect(sites.returns == returns)
        #expect(sites.obstacle == nil)
    }

    /// Where only a lookup comes whose first pin failed with -EFAULT, and the register that says that it reads.
    static let faults: [(KernelCode, decision: Int, register: Int)] = [
        (.v6_1, 0xb5, 1), (.v6_12, 0xaa, 2), (.v7_3, 0xfc, 3),
    ]

    @Test("the path of a pin that fails is found", arguments: faults)
    func fault(kernel: KernelCode, decision: Int, register: Int) throws {
        let sites = try CallSites(in: kernel.code, targets: kernel.targets)
        let fault = try #require(sites.fault)
        #expect(fault.decision == decision)
        #expect(fault.reads == Instruction.RegisterTest(register: register, mask: 0xff))
        #expect(fault.secondPin == sites.pins[1])
        #expect(fault.secondPinned == sites.pinned[1])
    }

    @Test("the path of a pin that fails is not used where it has another shape or another code leads into it")
    func noFault() throws {
        for kernel in [KernelCode.arm64v6_1, .arm64v6_12, .arm64v7_3, .x86Today] {
            #expect(try CallSites(in: kernel.code, targets: kernel.targets).fault == nil, "\(kernel)")
        }
        func fault(_ change: (inout [UInt8]) -> Void) throws -> CallSites.Fault? {
            var kernel = KernelCode.v6_12
            change(&kernel.code.bytes)
            return try CallSites(in: kernel.code, targets: kernel.targets).fault
        }
        #expect(try fault { _ in } != nil)
        // Compares with another error; branches on equality, the wrong way round; tests two registers; tests one that
        // calls do not keep.
        #expect(try fault { $0[0xa7] = 0xf4 } == nil)
        #expect(try fault { $0[0xa8] = 0x74 } == nil)
        #expect(try fault { $0[0xad] = 0x75 } == nil)
        #expect(try fault { $0[0xac] = 0xe5 } == nil)
        #expect(try fault { $0[0xaa] = 0x41 } == nil)
        // The first branch leads elsewhere.
        #expect(try fault { $0[0xa9] += 2 } == nil)
        // A jump from the end of the function to the second pin.
        #expect(
            try fault {
                let distance = Int32(0xaf - ($0.count + 5))
                $0 += [0xe9] + (0..<4).map { UInt8(truncatingIfNeeded: distance >> ($0 * 8)) }
            } == nil)
    }

    @Test("a function that continues in another function is not followed to its end")
    func leaves() throws {
        var kernel = KernelCode.v6_12
        let place = kernel.code.bytes.count
        kernel.code.bytes += [0xe9, 0, 0x10, 0, 0]
        let sites = try CallSites(in: kernel.code, targets: kernel.targets)
        #expect(sites.obstacle == "it jumps to another function at +0x\(String(place, radix: 16))")
        #expect(sites.unlocks == kernel.sites)
    }

    @Test("a function with another rule has no sites to use")
    func otherRules() {
        for kernel in [KernelCode.arm64Old, .x86Old] {
            #expect(!kernel.sites.isEmpty)
            #expect(
                throws: CallSites.Unusable(
                    "it never returns -EFAULT after the unlock: its rule is not today's")
            ) { try sites(kernel) }
        }
        for kernel in [KernelCode.arm64Proposed, .x86Proposed] {
            #expect(throws: CallSites.Unusable("it never retries after the unlock: its rule is not today's")) {
                try sites(kernel)
            }
        }
    }

    @Test("a function that does not unlock, or is another one, has none", arguments: good)
    func otherFunction(kernel: KernelCode) {
        var targets = kernel.targets
        targets.unlocks = targets.unlocks.map { $0 + 4096 }
        #expect(throws: CallSites.Unusable("it calls no unlock of a page")) {
            try CallSites(in: kernel.code, targets: targets)
        }
        targets.unlocks = []
        #expect(throws: CallSites.Unusable.self) { try CallSites(in: kernel.code, targets: targets) }
    }

    @Test("a call goes to the function, its padding or behind its landing pad, on x86")
    func neighbourhood() {
        func isCall(_ target: UInt64, _ architecture: FunctionCode.Architecture = .x86) -> Bool {
            CallSites.isCall(to: [0x1000], target, architecture)
        }
        #expect(isCall(0x1000) && isCall(0x0ff1) && isCall(0x1004))
        #expect(!isCall(0x0ff0) && !isCall(0x1001) && !isCall(0x1005) && !isCall(0))
        #expect(isCall(0x1000, .arm64) && !isCall(0x1004, .arm64) && !isCall(0x0ff8, .arm64))
    }

    @Test("another probe on the call is noticed")
    func breakpoint() {
        for kernel in [KernelCode.v6_1, .v6_12, .v7_3] {
            var probed = kernel
            for site in kernel.sites { probed.code.bytes[site] = 0xcc }
            let place = String(kernel.sites[0], radix: 16)
            #expect(throws: CallSites.Unusable("another probe is at +0x\(place)")) { try sites(probed) }
        }
        let brk: [UInt8] = [0x80, 0x00, 0x20, 0xd4]
        for kernel in [KernelCode.arm64Today, .arm64v6_1, .arm64v6_12, .arm64v7_3] {
            var probed = kernel
            probed.code.bytes.replaceSubrange(probed.sites[0]..<probed.sites[0] + 4, with: brk)
            #expect(throws: CallSites.Unusable.self) { try sites(probed) }
        }
    }

    @Test("bytes that look like a call inside another instruction are reported, not used")
    func coincidence() {
        var kernel = KernelCode.v6_12
        // movabs $…,%rax with a call to the unlock in its value, behind the function's padding.
        let place = kernel.code.bytes.count
        let target = kernel.targets.unlocks[0] &- (kernel.code.address + UInt64(place) + 7)
        let field = (0..<4).map { UInt8(truncatingIfNeeded: target >> UInt64($0 * 8)) }
        kernel.code.bytes += [0x48, 0xb8, 0xe8] + field + [0, 0, 0]
        #expect(throws: CallSites.Unusable("its calls cannot be distinguished")) { try sites(kernel) }
    }

    @Test("code that is cut, zero or random is refused without a crash", arguments: good)
    func damage(kernel: KernelCode) {
        for count in 0..<kernel.code.bytes.count {
            var cut = kernel
            cut.code.bytes = Array(kernel.code.bytes[..<count])
            _ = try? sites(cut)
        }
        var generator = SystemRandomNumberGenerator()
        for _ in 0..<200 {
            var noise = kernel
            for _ in 0..<40 {
                noise.code.bytes[Int.random(in: noise.code.bytes.indices, using: &generator)] =
                    UInt8.random(in: 0...255, using: &generator)
            }
            // Whatever comes of it stands on a call in these bytes.
            for offset in (try? sites(noise)) ?? [] { #expect(noise.code.bytes.indices.contains(offset)) }
        }
        var empty = kernel
        empty.code.bytes = [UInt8](repeating: 0, count: 256)
        #expect(throws: CallSites.Unusable.self) { try sites(empty) }
    }
}

@Suite struct InstructionTests {
    /// Bytes of one instruction each, with its length being theirs, and where it leads from 0x1000.
    static let x86Cases: [(bytes: [UInt8], flow: Instruction.Flow)] = [
        ([0xf3, 0x0f, 0x1e, 0xfa], .onward),  // endbr64
        ([0x66, 0x0f, 0x1f, 0x00], .onward),  // nopw (%rax)
        ([0x0f, 0x1f, 0x40, 0xd6], .onward),  // nopl -42(%rax): an endbr64 that was switched off
        ([0x0f, 0x1f, 0x84, 0, 0, 0, 0, 0], .onward),
        ([0x65, 0x48, 0x8b, 0x14, 0x25, 0x28, 0, 0, 0], .onward),  // mov %gs:0x28,%rdx
        ([0x48, 0xba, 0, 0xf0, 0xff, 0xff, 0xff, 0x7f, 0, 0], .onward),  // movabs $…,%rdx
        ([0xf0, 0x0f, 0xba, 0x6b, 0x20, 0x00], .onward),  // lock btsl $0,0x20(%rbx)
        ([0xf6, 0xc2, 0x01], .onward),  // test $1,%dl
        ([0xf7, 0x04, 0x24, 1, 0, 0, 0], .onward),  // testl $1,(%rsp)
        ([0xf7, 0xd8], .onward),  // neg %eax
        ([0x66, 0xc7, 0x40, 0x08, 1, 2], .onward),  // movw $0x201,8(%rax)
        ([0xa1, 1, 2, 3, 4, 5, 6, 7, 8], .onward),  // movabs …,%eax
        ([0x0f, 0x3a, 0x0f, 0xc1, 4], .onward),  // palignr $4
        ([0x0f, 0x38, 0xf0, 0x07], .onward),  // movbe (%rdi),%eax
        ([0xff, 0xd0], .onward),  // call *%rax
        ([0xff, 0xe0], .end),  // jmp *%rax
        ([0x0f, 0x0b], .end),  // ud2
        ([0xcc], .breakpoint),
        ([0xc3], .return),
        ([0xe8, 0xfb, 0x0f, 0, 0], .call(0x2000)),
        ([0x3e, 0xe8, 0xfa, 0x0f, 0, 0], .call(0x2000)),
        ([0xe9, 0xfb, 0xff, 0xff, 0xff], .jump(0x1000)),
        ([0xeb, 0x7e], .jump(0x1080)),
        ([0x75, 0x80], .branch(0xf82)),
        ([0x0f, 0x84, 0xfa, 0x0f, 0, 0], .branch(0x2000)),
    ]

    @Test("x86-64: length and target of one instruction", arguments: x86Cases)
    func x86(bytes: [UInt8], flow: Instruction.Flow) throws {
        let found = try #require(Instruction(x86: (bytes + [0x90, 0x90])[...], base: 0x1000))
        #expect(found.length == bytes.count)
        #expect(found.flow == flow)
        for count in 0..<bytes.count { #expect(Instruction(x86: bytes[..<count], base: 0) == nil) }
    }

    @Test("x86-64: what is no instruction of the kernel's is nil")
    func unknown() {
        let strange: [[UInt8]] = [
            [0xc5, 0xf8, 0x77], [0x06], [0x62, 0, 0, 0], [0x0f, 0x04], [0x9a, 0, 0, 0, 0, 0, 0],
        ]
        for bytes in strange {
            #expect(Instruction(x86: bytes[...], base: 0) == nil, "\(bytes)")
        }
        #expect(Instruction(x86: [UInt8](repeating: 0x66, count: 20)[...], base: 0) == nil)
    }

    static let arm64Cases: [(word: UInt32, flow: Instruction.Flow)] = [
        (0xd503_245f, .onward),  // bti c
        (0xd503_233f, .onward),  // paciasp
        (0x9400_0400, .call(0x2000)), (0x97ff_ffff, .call(0xffc)), (0x1400_0400, .jump(0x2000)),
        (0x5400_8001, .branch(0x2000)), (0x35ff_ffab, .branch(0xff4)), (0x3720_0081, .branch(0x1010)),
        (0xb500_0349, .branch(0x1068)), (0xd65f_03c0, .return), (0xd65f_0bff, .return), (0xd61f_0200, .end),
        (0xd71f_0a11, .end), (0xd421_0000, .end), (0, .end), (0xd63f_0100, .onward), (0xd503_201f, .onward),
    ]

    @Test("arm64: where one instruction leads", arguments: arm64Cases)
    func arm64(word: UInt32, flow: Instruction.Flow) throws {
        let bytes = (0..<4).map { UInt8(truncatingIfNeeded: word >> UInt32($0 * 8)) }
        let found = try #require(Instruction(arm64: bytes[...], base: 0x1000))
        #expect(found.length == 4)
        #expect(found.flow == flow)
    }
}

@Suite struct DepthTests {
    @Test("what needs whole lookups asks for full depth")
    func needs() {
        let wishes: [(Bool, (inout CaptureOptions) -> Void)] = [
            (false, { _ in }), (false, { $0.wanted.result = -14 }), (false, { $0.wanted.pid = 1 }),
            (false, { $0.attach = .callsite }), (true, { $0.depth = .full }), (true, { $0.emitAll = true }),
            (true, { $0.wanted.minPasses = 2 }), (true, { $0.wanted.minDurationNs = 1 }),
            (true, { $0.wanted.result = 0 }), (true, { $0.attach = .fentry }), (true, { $0.attach = .kprobe }),
        ]
        for (isNeeded, wish) in wishes {
            var options = CaptureOptions()
            wish(&options)
            #expect(options.needsFullDepth == isNeeded)
        }
    }

    @Test("a probe on call sites names the function and the places")
    func place() throws {
        let role = try #require(ProbeRole.all.first { $0.name == "unlock" })
        var probe = ProbePlan.Probe(role: role, function: "get_futex_key", rungs: [.callsite], offsets: [0x234, 0x25b])
        #expect(ProbePlan(probes: [probe]).reports[0].function == "get_futex_key+0x234, +0x25b")
        #expect(probe.programs(areaReadable: true).entry == "unlock_callsite")
        #expect(probe.programs(areaReadable: true).exit == nil)
        (probe.offsets, probe.returnOffsets) = ([], [0x23c])
        #expect(ProbePlan(probes: [probe]).reports[0].function == "get_futex_key+0x23c")
        #expect(probe.programs(areaReadable: true).exit == "unlock_return_callsite")
        probe.rungs = [.fentry]
        #expect(ProbePlan(probes: [probe]).reports[0].function == "get_futex_key")
    }

    @Test("ftrace shows when calls of a function are redirected")
    func redirected() {
        let text = """
            folio_unlock (1)         \tcallback: x
            get_futex_key (1) R I     \ttramp: 0xffffffffc0800000 (klp_ftrace_handler+0x0/0x1a0) ->ftrace_regs
            get_user_pages_fast (2) R   D M \ttramp: I
            """
        #expect(FunctionCodeReader.isRedirected("get_futex_key", enabledFunctions: text))
        #expect(!FunctionCodeReader.isRedirected("get_user_pages_fast", enabledFunctions: text))
        #expect(!FunctionCodeReader.isRedirected("folio_unlock", enabledFunctions: text))
        #expect(!FunctionCodeReader.isRedirected("get_futex", enabledFunctions: text))
    }
}
