// SPDX-License-Identifier: Apache-2.0
// The ladder: which hook each probe gets on this kernel. The first plan comes from BTF, the symbols and the function's
// code. A rung that the kernel then refuses is removed and the next one is tried, until every probe is attached or has
// no rung left. A refusal of one probe does not affect another probe. Probes for evidence are on kprobes, whose
// programs run with preemption off. Where kernel code can be preempted, a program on a trampoline or on kprobe.multi
// can be preempted, too; meanwhile the kernel skips that program, and for kprobe.multi all kprobe programs, for the
// other tasks on that CPU.

import Events

/// The hooks that are to be tried, probe by probe.
struct ProbePlan: Sendable {
    struct Probe: Sendable {
        var role: ProbeRole
        /// Symbol or tracepoint; nil when the kernel has no candidate.
        var function: String?
        /// Rungs left, the best first.
        var rungs: [Hook]
        /// The instructions in `function`, on the rung `callsite`: the calls, and the instructions to which they
        /// return.
        var offsets: [Int] = []
        var returnOffsets: [Int] = []
        /// Tracing continues without it, at the same depth.
        var isOptional = false
        /// The kernel's number of the type of `function`, for the rungs `fentry` and `tpBTF`; nil when BTF has none.
        var attachID: UInt32?
        var note: String?

        var hook: Hook? { function == nil ? nil : rungs.first }
        /// The function, with its instructions where the probe is on instructions: "f+0x188, +0x1ab".
        var place: String? {
            guard hook == .callsite, let function else { return function }
            return function + (offsets + returnOffsets).map { "+0x" + String($0, radix: 16) }.joined(separator: ", ")
        }
        var isAttachable: Bool { hook != nil }

        /// The programs that play this role on the chosen rung.
        func programs(areaReadable: Bool) -> (entry: String?, exit: String?) {
            // Programs that read the victim's memory area have a twin that does not.
            func name(_ part: String) -> String {
                let names = areaReadable ? [] : ["unlock_fentry", "unlock_kprobe"]
                let name = "\(role.program)_\(part)"
                return names.contains(name) ? "\(role.program)_plain_\(part)" : name
            }
            func pair(_ entry: String, _ exit: String) -> (String?, String?) {
                (entry, role.hasReturn ? exit : nil)
            }
            return switch hook {
            case .callsite:
                (offsets.isEmpty ? nil : name("callsite"), returnOffsets.isEmpty ? nil : name("return_callsite"))
            case .fentry: pair(name("fentry"), name("fexit"))
            case .kprobe: pair(name("kprobe"), name("kretprobe"))
            case .kprobeMulti: pair("entry_multi", "return_multi")
            case .tpBTF: (name("tp_btf"), nil)
            case .rawTracepoint: (name("raw_tp"), nil)
            case nil: (nil, nil)
            }
        }
    }

    var probes: [Probe]
    let depth: CaptureDepth
    /// Why call sites were wanted and are not used; nil otherwise.
    let depthNote: String?
    /// bpf_find_vma() exists (5.17), so the victim's memory area can be read.
    let areaReadable: Bool
    /// The register of get_futex_key() that shows that a lookup only reads, for the probe on a pin that fails; nil
    /// where it is not known.
    let reads: Instruction.RegisterTest?
    /// Bits of get_futex_key()'s second argument that mean "shared".
    let sharedArgumentMask: UInt32
    /// Position of the folio among the arguments of the swap-out function.
    let swapOutFolioArgument: UInt32

    /// Candidates for each role that a function plays.
    static let functions: [[String]] = ProbeRole.all.filter { $0.site == .function }.map(\.candidates)

    /// Names of the kernel's types, functions among them, that the plan and its caller ask for.
    static let types: [String] =
        functions.joined() + KernelFunctions.unaccount.names + SymbolQuery.types + ["bpf_func_id"]
        + ProbeRole.all.filter { $0.site == .tracepoint }.flatMap(\.candidates).map {
            KernelTypes.tracepointPrefix + $0
        }

    /// Functions whose symbols the plan needs.
    static let symbols: [String] =
        functions.joined() + KernelFunctions.unaccount.names + ["register_fprobe_ips"] + trampolines
        + ProbeRole.returnThunks

    /// What puts a BPF trampoline on a function: BPF's half, and ftrace's (CONFIG_DYNAMIC_FTRACE_WITH_DIRECT_CALLS),
    /// which arm64 has since 6.4 (2aa6ac03516d). Without the latter each attachment ends with ENOTSUPP.
    static let trampolines = ["bpf_trampoline_link_prog", "register_ftrace_direct"]

    /// Whether fentry can be attached to a function.
    static func hasTrampolines(_ symbols: KernelSymbols) -> Bool { trampolines.allSatisfy(symbols.has) }

    /// The input of a plan: what is wanted, and what the kernel and this process offer.
    struct Basis: ~Copyable {
        let mode: AttachMode
        let wanted: CaptureDepth
        let types: KernelTypes
        let symbols: KernelSymbols
        let preemption: KernelPreemption
        /// Why kprobes are refused to this process; nil when they are not.
        let kprobeLimit: String?
    }

    /// Makes a plan for the wanted depth, or a deeper one. `sites` are the call sites, or the reason why there are
    /// none; nil when none are wanted.
    init(from basis: borrowing Basis, sites: Result<CallSites, CallSites.Unusable>?) {
        areaReadable = Self.areaIsReadable(basis.types)
        // FLAGS_SHARED of kernel/futex/futex.h since 6.7; a bool before.
        sharedArgumentMask = basis.types.argumentIsBool(1, of: "get_futex_key") ?? true ? 0xff : 0x10
        let swapOut = KernelFunctions.swapOut.names.first(where: basis.symbols.has)
        swapOutFolioArgument = UInt32(swapOut.flatMap { basis.types.pageArgument(of: $0) } ?? 0)
        var sites = sites
        if case .success(let found) = sites, basis.wanted == .full, let obstacle = found.obstacle {
            sites = .failure(CallSites.Unusable(obstacle))
        }
        var probes = ProbeRole.all.filter { !$0.isOfLookup }.map { Self.probe($0, from: basis) }
        switch sites {
        case .success(let sites):
            (depth, depthNote, reads) = (basis.wanted, nil, sites.fault?.reads)
            probes += Self.probes(at: sites, depth: basis.wanted)
        case .failure(let unusable):
            let note = "no call site in get_futex_key: \(unusable.reason)"
            (depth, depthNote, reads) = (.full, note, nil)
            for role in ProbeRole.all where role.isOfLookup {
                var probe = Self.probe(role, from: basis)
                if basis.mode == .callsite, role.isRequired { (probe.function, probe.rungs) = ("get_futex_key", []) }
                if role.name == "unlock" || probe.rungs.isEmpty { probe.note = note }
                probes.append(probe)
            }
        case nil:
            (depth, depthNote, reads) = (.full, nil, nil)
            probes += ProbeRole.all.filter(\.isOfLookup).map { Self.probe($0, from: basis) }
        }
        self.probes = probes
    }

    /// Probes on the instructions of get_futex_key(), the last part of a lookup first, so that no lookup is begun whose
    /// end would not be seen.
    private static func probes(at sites: CallSites, depth: CaptureDepth) -> [Probe] {
        let parts: [(role: String, calls: [Int], returns: [Int])] =
            switch depth {
            case .sentinel: [("unlock", sites.unlocks, [])]
            case .full:
                [
                    ("lookup", [], sites.returns), ("pin", sites.pins, sites.pinned),
                    ("lock-wait", sites.lockWaits, []), ("unlock", sites.unlocks, []),
                ]
            }
        let followed = parts.compactMap { part -> Probe? in
            guard let role = ProbeRole.all.first(where: { $0.name == part.role }),
                !part.calls.isEmpty || !part.returns.isEmpty
            else { return nil }
            return Probe(
                role: role, function: "get_futex_key", rungs: [.callsite], offsets: part.calls,
                returnOffsets: part.returns)
        }
        return depth == .sentinel ? faultProbes(at: sites.fault) + followed : followed
    }

    /// Probes on instructions that only a lookup whose first pin fails reaches. None of them runs for a lookup whose
    /// first pin succeeds.
    private static func faultProbes(at fault: CallSites.Fault?) -> [Probe] {
        guard let fault, let pin = ProbeRole.all.first(where: { $0.name == "pin" }) else {
            return [
                Probe(
                    role: .fault, function: nil, rungs: [], isOptional: true,
                    note: "get_futex_key has no instruction that only a pin that fails leads to: "
                        + ProbeRole.fault.offWithout)
            ]
        }
        return [
            Probe(
                role: .fault, function: "get_futex_key", rungs: [.callsite], offsets: [fault.decision],
                isOptional: true),
            Probe(
                role: pin, function: "get_futex_key", rungs: [.callsite], offsets: [fault.secondPin],
                returnOffsets: [fault.secondPinned], isOptional: true),
        ]
    }

    /// Whether lookups are followed from instructions.
    var usesCallSites: Bool { probes.contains { $0.hook == .callsite } }

    /// A plan as given, for a kernel that has everything.
    init(probes: [Probe]) {
        (self.probes, areaReadable, sharedArgumentMask, swapOutFolioArgument) = (probes, true, 0x10, 0)
        (depth, depthNote, reads) = (.full, nil, nil)
    }

    /// Whether bpf_find_vma() exists.
    static func areaIsReadable(_ types: borrowing KernelTypes) -> Bool {
        types.has(enumerator: "BPF_FUNC_find_vma", of: "bpf_func_id")
    }

    private static func probe(_ role: ProbeRole, from basis: borrowing Basis) -> Probe {
        if role.site == .tracepoint {
            if basis.preemption == .realTime, let probe = onUnaccount(role, from: basis) { return probe }
            let rungs: [Hook] = basis.mode == .kprobe ? [.rawTracepoint] : [.tpBTF, .rawTracepoint]
            return Probe(
                role: role, function: role.candidates[0], rungs: rungs,
                attachID: basis.types.attachID(of: role.candidates[0], isTracepoint: true))
        }
        guard let candidate = role.candidates.first(where: { basis.symbols.functions[$0] != nil }),
            let symbol = basis.symbols.functions[candidate]?.first
        else {
            let names = role.candidates.joined(separator: ", ")
            return Probe(
                role: role, function: nil, rungs: [],
                note: "this kernel has no \(names): \(role.offWithout)")
        }
        var rungs: [Hook] = []
        var note: String?
        // Where they are permitted, kprobes come first for what is evidence.
        if basis.mode != .fentry, role.isEvidence, basis.kprobeLimit == nil { rungs.append(.kprobe) }
        if basis.mode != .kprobe {
            switch basis.types.argumentCount(of: candidate) {
            case nil: note = "not in BTF"
            case _? where !hasTrampolines(basis.symbols): note = "this kernel has no direct calls of ftrace"
            case _? where symbol != candidate: note = "only as \(symbol)"
            // Trampolines carried six register arguments until 6.6 (473e3150e30a).
            case let count? where count > 6 && basis.mode != .fentry: note = "\(count) arguments"
            default: rungs.append(.fentry)
            }
        }
        if basis.mode != .fentry, !role.isEvidence {
            if basis.kprobeLimit == nil { rungs.insert(.kprobe, at: basis.preemption.isPossible ? 0 : rungs.count) }
            // It detaches many functions at once.
            if basis.symbols.has("register_fprobe_ips"), !basis.preemption.isPossible {
                rungs.insert(.kprobeMulti, at: 0)
            }
        }
        if rungs.first == .kprobeMulti || rungs.first == .kprobe { note = nil }
        if let kprobeLimit = basis.kprobeLimit, basis.mode != .fentry, role.isEvidence || basis.preemption.isPossible {
            note = "kprobes are refused: \(kprobeLimit)"
        }
        if rungs.isEmpty { note = "no hook is left: \(note ?? "no fentry"): \(role.offWithout)" }
        return Probe(
            role: role, function: symbol, rungs: rungs, attachID: basis.types.attachID(of: symbol, isTracepoint: false),
            note: note)
    }

    /// The detach on a kprobe, for real-time kernels: from 7.0 (a46023d5616e) a program on a tracepoint can be preempted
    /// there, and meanwhile the kernel skips it for the other tasks on that CPU. A skipped detach would leave an
    /// earlier one of its page in force. Nil where the function or kprobes cannot be had.
    private static func onUnaccount(_ role: ProbeRole, from basis: borrowing Basis) -> Probe? {
        guard basis.kprobeLimit == nil, basis.mode != .fentry,
            let function = KernelFunctions.unaccount.names.first(where: { basis.symbols.functions[$0] == [$0] }),
            basis.types.pageArgument(of: function) == 1
        else { return nil }
        return Probe(role: role, function: function, rungs: [.kprobe])
    }

    /// The probes that share the two programs on kprobe.multi, by position.
    var onMulti: [Int] { probes.indices.filter { probes[$0].hook == .kprobeMulti } }

    /// Removes the rung on which the probe is. False when it has none left.
    mutating func stepDown(_ position: Int, because reason: String) {
        guard let failed = probes[position].hook else { return }
        probes[position].rungs.removeFirst()
        let what = "\(failed.rawValue) refused (\(reason))"
        probes[position].note =
            probes[position].isAttachable ? what : "\(what): \(probes[position].role.offWithout)"
    }

    /// The required probe that cannot be attached at all, if any.
    var missingRequired: Probe? { probes.first { $0.role.isRequired && !$0.isOptional && !$0.isAttachable } }

    var reports: [ProbeReport] {
        probes.map {
            ProbeReport(
                role: $0.role.name, function: $0.place, hook: $0.hook,
                isRequired: $0.role.isRequired && !$0.isOptional, note: $0.note)
        }
    }
}
