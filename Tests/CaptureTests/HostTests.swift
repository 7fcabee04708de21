// SPDX-License-Identifier: Apache-2.0

// What is read of the host: symbols and libbpf's log. And the BPF object, which can be
// opened without privilege: every program that the table of probes names must be in it.

import BPFObject
import Events
import Testing

@testable import Capture

@Suite struct SymbolTests {
    static let text = """
        0000000000000000 A fixed_percpu_data
        ffffffff81000000 T get_futex_key
        ffffffff81000100 t migrate_pages.isra.0
        ffffffff81000200 t truncate_inode_partial_folio.cold
        ffffffff81000300 T truncate_inode_partial_folio
        ffffffff81000300 T its_alias
        ffffffff81000400 t collapse_file.part.0
        ffffffff81000500 D folio_unlock
        ffffffffc0000000 t vfs_fallocate	[somemodule]

        """

    let symbols = KernelSymbols(
        kallsyms: Array(text.utf8),
        wanted: ["get_futex_key", "migrate_pages", "collapse_file", "folio_unlock", "absent"])

    @Test("functions by name, with the compiler's suffixes and without parts or data")
    func functions() {
        #expect(symbols.functions["get_futex_key"] == ["get_futex_key"])
        #expect(symbols.functions["migrate_pages"] == ["migrate_pages.isra.0"])
        #expect(!symbols.has("migrate_pages"))
        #expect(symbols.functions["collapse_file"] == nil)
        #expect(symbols.functions["folio_unlock"] == nil)
        #expect(symbols.functions["absent"] == nil)
    }

    @Test("addresses within a landmark, its cold part included, and none outside")
    func landmarks() {
        let names = StackNames(kallsyms: Array(Self.text.utf8))
        #expect(names.hasAddresses)
        #expect(names.function(at: 0xffff_ffff_8100_0250).landmark == .partialFolio)
        #expect(names.function(at: 0xffff_ffff_8100_03ff).landmark == .partialFolio)
        #expect(names.function(at: 0xffff_ffff_8100_0400).landmark == .collapse)
        #expect(names.function(at: 0xffff_ffff_8100_0010).landmark == [])
        #expect(names.function(at: 0).landmark == [])
    }

    @Test("hidden addresses name nothing, but functions are still known")
    func hiddenAddresses() {
        let text = Array("0000000000000000 T get_futex_key\n0000000000000000 T vfs_fallocate\n".utf8)
        let hidden = KernelSymbols(kallsyms: text, wanted: ["get_futex_key"])
        #expect(!hidden.hasAddresses)
        #expect(hidden.has("get_futex_key"))
        let names = StackNames(kallsyms: text)
        #expect(!names.hasAddresses)
        #expect(names.function(at: 0).name == nil && names.function(at: 0).landmark == [])
    }

    @Test("the kernel's text for an address names its landmark, parts of a function included")
    func textOfAddress() {
        func landmark(_ text: String) -> Landmarks? { StackNames.name(text: text).map(StackNames.landmark) }
        #expect(landmark("collapse_file+0x10/0x2c0") == .collapse)
        #expect(landmark("truncate_inode_partial_folio.cold+0x1/0x20") == .partialFolio)
        #expect(landmark("collapse_file_range+0x10/0x2c0") == [])
        #expect(landmark("0xffffffffc0123456") == nil)
        #expect(landmark("") == nil)
    }

    @Test("functions are found by address in any order of the list, and of several names the landmark is used")
    func functionTable() {
        let table = FunctionTable(
            kallsyms: Array(
                """
                0000000000000000 A __per_cpu_start
                ffffffff81000000 T first
                ffffffff81000100 t alias_before
                ffffffff81000100 t collapse_file
                ffffffff81000100 t alias_behind
                ffffffff81000200 D data
                ffffffffc0002000 t later\t[module]
                ffffffffc0001000 t earlier\t[module]

                """.utf8))
        #expect(table[0xffff_ffff_80ff_ffff] == nil && table[0] == nil)
        #expect(table[0xffff_ffff_8100_0000] == "first" && table[0xffff_ffff_8100_00ff] == "first")
        #expect(table[0xffff_ffff_8100_0150] == "collapse_file")
        #expect(table[0xffff_ffff_c000_1fff] == "earlier" && table[0xffff_ffff_c000_2000] == "later")
        #expect(FunctionTable(kallsyms: Array("ffffffff81000000".utf8))[.max] == nil)
        #expect(FunctionTable(kallsyms: [])[1] == nil)
    }

    @Test("a function reaches from its address as far as the kernel says")
    func extents() {
        #expect(symbols.extents["get_futex_key"] == 0xffff_ffff_8100_0000..<0xffff_ffff_8100_0100)
        func extent(_ text: String) -> Range<UInt64>? { SymbolQuery.extent(at: 0x1000, text: text) }
        #expect(extent("get_futex_key+0x0/0x2c0") == 0x1000..<0x12c0)
        #expect(extent("get_futex_key+0x0/0x2c0 [module]") == 0x1000..<0x12c0)
        // Another symbol's, a number, nothing, and what would go round the end.
        #expect(extent("other+0x10/0x2c0") == nil)
        #expect(extent("0xffffffff81000000") == nil)
        #expect(extent("") == nil)
        #expect(extent("f+0x0/0x0") == nil)
        #expect(SymbolQuery.extent(at: .max, text: "f+0x0/0x2") == nil)
    }
}

@Suite struct ObjectTests {
    @Test("the reason is found in the verifier's log")
    func verdict() {
        let log = [
            "libbpf: prog 'pin_fexit': BPF program load failed: Invalid argument",
            "libbpf: prog 'pin_fexit': -- BEGIN PROG LOAD LOG --", "0: R1=ctx() R10=fp0",
            "dereference of modified ctx ptr R2 off=112 disallowed", "processed 4 insns (limit 1000000)",
            "-- END PROG LOAD LOG --", "libbpf: failed to load object 'futexscope'",
        ]
        #expect(log.verdict == "dereference of modified ctx ptr R2 off=112 disallowed")
        #expect(log[0].quoted(after: "prog '") == "pin_fexit")
        #expect(["libbpf: failed to find BTF"].verdict == "failed to find BTF")
        #expect([String]().verdict == nil)
    }

    @Test("the embedded object holds every program that the table of probes names")
    func programs() throws {
        #expect(BPFObject.bytes().starts(with: [0x7f, 0x45, 0x4c, 0x46]))
        let names = try UnloadedObject().programNames
        for role in ProbeRole.all {
            for hook in [Hook.fentry, .kprobe, .tpBTF, .rawTracepoint] {
                let isTracepoint = hook == .tpBTF || hook == .rawTracepoint
                // The detach has a kprobe as well, for real-time kernels.
                guard (role.site == .tracepoint) == isTracepoint || role.site == .tracepoint && hook == .kprobe
                else { continue }
                let probe = ProbePlan.Probe(role: role, function: role.candidates[0], rungs: [hook])
                for areaReadable in [true, false] {
                    let wanted = probe.programs(areaReadable: areaReadable)
                    for name in [wanted.entry, wanted.exit].compactMap({ $0 }) {
                        #expect(names.contains(name), "\(name)")
                    }
                }
            }
        }
    }

    @Test("after a refused hook the next one is tried; after the last one the note says what is off")
    func ladder() throws {
        let role = try #require(ProbeRole.all.first { $0.name == "migrate" })
        var plan = ProbePlan(probes: [.init(role: role, function: "migrate_pages", rungs: [.fentry, .kprobe])])
        plan.stepDown(0, because: "no")
        #expect(plan.reports[0].hook == .kprobe)
        #expect(plan.reports[0].note == "fentry refused (no)")
        plan.stepDown(0, because: "never")
        #expect(plan.reports[0].hook == nil)
        #expect(plan.reports[0].note == "kprobe refused (never): operations of migration are not counted")
        plan.stepDown(0, because: "again")
        #expect(plan.reports[0].hook == nil)
    }

    @Test("a ring that is no power of two is refused in one line")
    func ringSize() {
        var options = CaptureOptions()
        for bytes: UInt32 in [0, 1, 4095, 12345, 4097] {
            options.ringBytes = bytes
            #expect(throws: CaptureError.self) { try options.check() }
        }
        options.ringBytes = 4096
        #expect(throws: Never.self) { try options.check() }
    }

    @Test("the preemption model is the one in force")
    func preemption() {
        func model(_ scheduler: String?, _ version: String, _ commandLine: String = "") -> KernelPreemption {
            KernelPreemption(isRealTime: false, scheduler: scheduler, version: version, commandLine: commandLine)
        }
        #expect(model("none voluntary (full) lazy", "#1 SMP PREEMPT_DYNAMIC") == .full)
        #expect(model("(none) voluntary full", "#1 SMP PREEMPT_DYNAMIC", "preempt=full") == .none)
        #expect(model(nil, "#1 SMP PREEMPT_DYNAMIC", "quiet preempt=full") == .full)
        #expect(model(nil, "#1 SMP PREEMPT_DYNAMIC") == .unknown)
        #expect(model(nil, "#1 SMP PREEMPT_RT Debian") == .realTime)
        #expect(model(nil, "#1 SMP PREEMPT Debian") == .full)
        #expect(model(nil, "#1 SMP Debian") == .voluntary)
        #expect(model(nil, "") == .unknown)
        #expect(KernelPreemption(isRealTime: true, scheduler: nil, version: "", commandLine: "") == .realTime)
        #expect(KernelPreemption.unknown.isPossible && !KernelPreemption.voluntary.isPossible)
    }
}

@Suite struct HostLimitTests {
    @Test("fentry needs BPF's trampolines and ftrace's direct calls")
    func trampolines() {
        func has(_ names: [String]) -> Bool {
            let text = names.map { "ffffffff81000000 T \($0)\n" }.joined()
            return ProbePlan.hasTrampolines(KernelSymbols(kallsyms: Array(text.utf8), wanted: ProbePlan.symbols))
        }
        #expect(has(["bpf_trampoline_link_prog", "register_ftrace_direct"]))
        #expect(!has(["bpf_trampoline_link_prog"]))
        #expect(!has(["register_ftrace_direct"]))
    }
}
