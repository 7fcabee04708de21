// SPDX-License-Identifier: Apache-2.0
// The ladder: which hook each probe gets on this kernel. The first plan comes from what BTF, the symbols and
// the function's code say; a rung that the kernel then refuses is struck off and the next one is tried, until
// every probe is attached or has no rung left. A refusal never takes another probe with it. What is evidence
// stands on kprobes, whose programs run with preemption off. Where kernel code can be preempted, a program on a
// trampoline or on kprobe.multi can be, too; meanwhile the kernel skips that program, and for kprobe.multi all
// kprobe programs, for the other tasks on that CPU.

import Events

/// The hooks that are to be tried, probe by probe.
struct ProbePlan: Sendable {
    struct Probe: Sendable {
        var role: ProbeRole
        /// Symbol or tracepoint; nil when the kernel has no candidate.
        var function: String?
        /// Rungs left, the best first.
        var rungs: [Hook]
        /// Of the instructions in `function`, on the rung `callsite`: of its calls, and of where they return to.
        var offsets: [Int] = []
        var returnOffsets: [Int] = []
        /// The kernel's number of the type of `function`, for the rungs `fentry` and `tpBTF`; nil when BTF has none.
        var attachID: UInt32?
        var note: String?

        var hook: Hook? { function == nil ? nil : rungs.first }
        /// The function, with its instructions where the probe stands on such: "f+0x188, +0x1ab".
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
    /// Bits of get_futex_key()'s second argument that mean "shared".
    let sharedArgumentMask: UInt32
    /// Position of the folio among the arguments of the swap-out function.
    let swapOutFolioArgument: UInt32

    /// Candidates for each role that a function plays.
    static let functions: [[String]] = ProbeRole.all.filter { $0.site == .function }.map(\.candidates)

    /// Names of the kernel's types, functions among them, that the plan and whoever makes it ask for.
    static let types: [String] =
        functions.joined() + SymbolQuestion.types + ["bpf_func_id"]
        + ProbeRole.all.filter { $0.site == .tracepoint }.flatMap(\.candidates).map {
            KernelTypes.tracepointPrefix + $0
        }

    /// Functions whose symbols the plan needs to know.
    static let symbols: [String] =
        functions.joined() + ["register_fprobe_ips"] + trampolines + ProbeRole.returnThunks

    /// What puts a BPF trampoline on a function: BPF's half, and ftrace's (CONFIG_DYNAMIC_FTRACE_WITH_DIRECT_CALLS),
    /// which arm64 has since 6.4 (2aa6ac03516d). Without the latter each attachment ends with ENOTSUPP.
    static let trampolines = ["bpf_trampoline_link_prog", "register_ftrace_direct"]

    /// Whether fentry can be attached to a function.
    static func hasTrampolines(_ symbols: KernelSymbols) -> Bool { trampolines.allSatisfy(symbols.has) }

    /// For lookups as deep as `wanted`, or deeper. With call sites, or why there are none to use; without either
    /// when none are wanted. `kprobeLimit` says why kprobes are refused to this process; nil when they are not.
    init(
        mode: AttachMode, wanted: CaptureDepth, sites: Result<CallSites, CallSites.Unusable>?,
        types: borrowing KernelTypes, symbols: KernelSymbols, preemption: KernelPreemption,
        kprobeLimit: String?
    ) {
        areaReadable = Self.areaIsReadable(types)
        // FLAGS_SHARED of kernel/futex/futex.h since 6.7; a bool before.
        sharedArgumentMask = types.argumentIsBool(1, of: "get_futex_key") ?? true ? 0xff : 0x10
        let swapOut = KernelFunctions.swapOut.names.first(where: symbols.has)
        swapOutFolioArgument = UInt32(swapOut.flatMap { types.pageArgument(of: $0) } ?? 0)
        var sites = sites
        if case .success(let found) = sites, wanted == .full, let obstacle = found.obstacle {
            sites = .failure(CallSites.Unusable(obstacle))
        }
        var probes = ProbeRole.all.filter { !$0.isOfLookup }.map {
            Self.probe($0, mode: mode, types: types, symbols: symbols, preemption: preemption, kprobeLimit: kprobeLimit)
        }
        switch sites {
        case .success(let sites):
            (depth, depthNote) = (wanted, nil)
            probes += Self.probes(at: sites, depth: wanted)
        case .failure(let unusable):
            let note = "no call site in get_futex_key: \(unusable.reason)"
            (depth, depthNote) = (.full, note)
            for role in ProbeRole.all where role.isOfLookup {
                var probe = Self.probe(
                    role, mode: mode, types: types, symbols: symbols, preemption: preemption, kprobeLimit: kprobeLimit)
                if mode == .callsite, role.isRequired { (probe.function, probe.rungs) = ("get_futex_key", []) }
                if role.name == "unlock" || probe.rungs.isEmpty { probe.note = note }
                probes.append(probe)
            }
        case nil:
            (depth, depthNote) = (.full, nil)
            probes += ProbeRole.all.filter(\.isOfLookup).map {
                Self.probe(
                    $0, mode: mode, types: types, symbols: symbols, preemption: preemption, kprobeLimit: kprobeLimit)
            }
        }
        self.probes = probes
    }

    /// Probes on the instructions of get_futex_key(), the last part of a lookup first: none is begun whose end
    /// would not be seen.
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
        return parts.compactMap { part in
            guard let role = ProbeRole.all.first(where: { $0.name == part.role }),
                !part.calls.isEmpty || !part.returns.isEmpty
            else { return nil }
            return Probe(
                role: role, function: "get_futex_key", rungs: [.callsite], offsets: part.calls,
                returnOffsets: part.returns)
        }
    }

    /// Whether lookups are followed from instructions.
    var usesCallSites: Bool { probes.contains { $0.hook == .callsite } }

    /// A plan as given, for a kernel that has everything.
    init(probes: [Probe]) {
        (self.probes, areaReadable, sharedArgumentMask, swapOutFolioArgument) = (probes, true, 0x10, 0)
        (depth, depthNote) = (.full, nil)
    }

    /// Whether bpf_find_vma() exists.
    static func areaIsReadable(_ types: borrowing KernelTypes) -> Bool {
        types.has(enumerator: "BPF_FUNC_find_vma", of: "bpf_func_id")
    }

    private static func probe(
        _ role: ProbeRole, mode: AttachMode, types: borrowing KernelTypes, symbols: KernelSymbols,
        preemption: KernelPreemption, kprobeLimit: String?
    ) -> Probe {
        if role.site == .tracepoint {
            let rungs: [Hook] = mode == .kprobe ? [.rawTracepoint] : [.tpBTF, .rawTracepoint]
            return Probe(
                role: role, function: role.candidates[0], rungs: rungs,
                attachID: types.attachID(of: role.candidates[0], isTracepoint: true))
        }
        guard let candidate = role.candidates.first(where: { symbols.functions[$0] != nil }),
            let symbol = symbols.functions[candidate]?.first
        else {
            let names = role.candidates.joined(separator: ", ")
            return Probe(
                role: role, function: nil, rungs: [],
                note: "this kernel has no \(names): \(role.offWithout)")
        }
        var rungs: [Hook] = []
        var note: String?
        // Where they are permitted, kprobes come first for what is evidence.
        if mode != .fentry, role.isEvidence, kprobeLimit == nil { rungs.append(.kprobe) }
        if mode != .kprobe {
            switch types.argumentCount(of: candidate) {
            case nil: note = "not in BTF"
            case _? where !hasTrampolines(symbols): note = "this kernel has no direct calls of ftrace"
            case _? where symbol != candidate: note = "only as \(symbol)"
            // Trampolines carried six register arguments until 6.6 (473e3150e30a).
            case let count? where count > 6 && mode != .fentry: note = "\(count) arguments"
            default: rungs.append(.fentry)
            }
        }
        if mode != .fentry, !role.isEvidence {
            if kprobeLimit == nil { rungs.insert(.kprobe, at: preemption.isPossible ? 0 : rungs.count) }
            // It lets many functions go at once.
            if symbols.has("register_fprobe_ips"), !preemption.isPossible { rungs.insert(.kprobeMulti, at: 0) }
        }
        if rungs.first == .kprobeMulti || rungs.first == .kprobe { note = nil }
        if let kprobeLimit, mode != .fentry, role.isEvidence || preemption.isPossible {
            note = "kprobes are refused: \(kprobeLimit)"
        }
        if rungs.isEmpty { note = "no hook is left: \(note ?? "no fentry"): \(role.offWithout)" }
        return Probe(
            role: role, function: symbol, rungs: rungs, attachID: types.attachID(of: symbol, isTracepoint: false),
            note: note)
    }

    /// The probes that share the two programs on kprobe.multi, by position.
    var onMulti: [Int] { probes.indices.filter { probes[$0].hook == .kprobeMulti } }

    /// Strikes off the rung on which the probe stands. False when it has none left.
    mutating func stepDown(_ position: Int, because reason: String) {
        guard let failed = probes[position].hook else { return }
        probes[position].rungs.removeFirst()
        let what = "\(failed.rawValue) refused (\(reason))"
        probes[position].note =
            probes[position].isAttachable ? what : "\(what): \(probes[position].role.offWithout)"
    }

    /// The required probe that cannot be attached at all, if any.
    var missingRequired: Probe? { probes.first { $0.role.isRequired && !$0.isAttachable } }

    var reports: [ProbeReport] {
        probes.map {
            ProbeReport(
                role: $0.role.name, function: $0.place, hook: $0.hook,
                isRequired: $0.role.isRequired, note: $0.note)
        }
    }
}
