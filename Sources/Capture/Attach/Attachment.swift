// SPDX-License-Identifier: Apache-2.0

// From options to attached programs: reads what the kernel has, plans, loads, attaches, and tries the next hook of the
// ladder where the kernel refuses one.

import CLibbpf
import Events
import Glibc
import System

/// Attached programs with the plan by which they were attached, and the names for the stacks of their records.
struct Attachment {
    let object: TracingObject
    let plan: ProbePlan
    let names: StackNames

    /// Steps down the ladder until every probe is attached or has no rung left.
    init(options: CaptureOptions) throws(CaptureError) {
        try options.check()
        // The programs are adapted to an excerpt of the kernel's types; the object itself names the types that it
        // needs.
        let file = TypesFile()
        defer { withExtendedLifetime(file) {} }
        var unloaded: UnloadedObject? = try UnloadedObject(typesPath: file?.path)
        let typeNames = unloaded?.typeNames ?? []
        guard let types = KernelTypes(names: typeNames.union(ProbePlan.types)),
            let (symbols, names) = Self.symbols(types: types)
        else {
            throw .notPermitted(HostReport.read().refusal ?? "this kernel's symbols or BTF cannot be read")
        }
        if let refusal = HostReport.read(symbols: symbols).refusal { throw .notPermitted(refusal) }
        let basis = ProbePlan.Basis(
            mode: options.attach, wanted: options.needsFullDepth ? .full : .sentinel, types: types, symbols: symbols,
            preemption: .read(), kprobeLimit: HostReport.kprobeLimit())
        guard file?.write(basis.types.excerpt.bytes) ?? true else {
            throw .system("keep the kernel's types", errno: errno)
        }
        var plan = ProbePlan(from: basis, sites: Self.sites(options, basis))
        object = try Self.attach(&plan, from: basis, options: options) { () throws(CaptureError) in
            if let first = unloaded.take() { return first }
            return try UnloadedObject(typesPath: file?.path)
        }
        self.plan = plan
        self.names = names
    }

    /// The call sites to use, or the reason why there are none; nil when none are wanted.
    private static func sites(
        _ options: CaptureOptions, _ basis: borrowing ProbePlan.Basis
    ) -> Result<CallSites, CallSites.Unusable>? {
        guard options.attach == .auto || options.attach == .callsite else { return nil }
        // If one kprobe is refused, all are.
        if let limit = basis.kprobeLimit {
            return .failure(CallSites.Unusable("the probe is refused (\(errorText(EACCES)): \(limit))"))
        }
        return CallSites.found(types: basis.types, symbols: basis.symbols)
    }

    /// Steps down the ladder until the kernel accepts every probe that has a rung left. If one call site is refused,
    /// none is used, because lookups are followed from instructions or not at all.
    /// - Parameter next: a fresh object for each attempt.
    private static func attach(
        _ plan: inout ProbePlan, from basis: borrowing ProbePlan.Basis, options: CaptureOptions,
        next: () throws(CaptureError) -> UnloadedObject
    ) throws(CaptureError) -> TracingObject {
        while true {
            if let missing = plan.missingRequired {
                throw .missingProbe(
                    role: missing.role.name, function: missing.function ?? missing.role.candidates[0],
                    note: missing.note ?? "no hook is left")
            }
            do {
                return try TracingObject(next(), attaching: plan, extents: basis.symbols.extents, options: options)
            } catch let refusal as TracingObject.Refusal {
                let refused = plan.probes[refusal.position]
                if refused.hook == .callsite, !refused.isOptional {
                    let reason = CallSites.Unusable("the probe is refused (\(refusal.reason))")
                    plan = ProbePlan(from: basis, sites: .failure(reason))
                } else {
                    plan.stepDown(refusal.position, because: refusal.reason)
                }
            } catch let error as CaptureError {
                throw error
            } catch {
                throw .loadFailed("\(error)")
            }
        }
    }

    /// The kernel is asked, and where it does not answer, its list of all symbols is read.
    private static func symbols(types: borrowing KernelTypes) -> (KernelSymbols, StackNames)? {
        let wanted = ProbePlan.symbols + HostReport.features
        if let question = SymbolQuery(types: types),
            let symbols = KernelSymbols(asking: question, wanted: wanted, groups: ProbePlan.functions)
        {
            return (symbols, StackNames(question))
        }
        guard let bytes = readFile("/proc/kallsyms"), !bytes.isEmpty else { return nil }
        let symbols = KernelSymbols(kallsyms: bytes, wanted: wanted)
        return (symbols, StackNames(nil, hasAddresses: SymbolText.showsAddresses(bytes)))
    }
}

extension CallSites {
    /// The call sites of the running kernel, or the reason why there are none to use.
    static func found(
        types: borrowing KernelTypes, symbols: KernelSymbols
    ) -> Result<CallSites, Unusable> {
        do throws(Unusable) {
            guard ProbePlan.areaIsReadable(types) else {
                throw Unusable("without bpf_find_vma() the memory area cannot be read there")
            }
            return .success(try found(symbols: symbols, read: FunctionCodeReader.readByProgram))
        } catch {
            return .failure(error)
        }
    }

    /// The call sites of the running kernel, whose memory `read` shows.
    static func found(symbols: KernelSymbols, read: (UInt64, Int) -> [UInt8]?) throws(Unusable) -> CallSites {
        if let substitute = FunctionCodeReader.substitute(for: "get_futex_key") { throw Unusable(substitute) }
        func addresses(_ names: [String]) -> [UInt64] { names.compactMap { symbols.extents[$0]?.lowerBound } }
        func role(_ name: String) -> [String] { ProbeRole.all.first { $0.name == name }?.candidates ?? [] }
        let targets = Targets(
            unlocks: addresses(role("unlock")), pins: addresses(role("pin")),
            lockWaits: addresses(role("lock-wait")),
            returns: addresses(ProbeRole.returnThunks))
        return try CallSites(
            in: FunctionCodeReader.code(of: "get_futex_key", symbols: symbols, read: read), targets: targets)
    }

    /// Symbols that `found` needs.
    static let symbols =
        ["get_futex_key"] + ProbeRole.all.filter(\.isOfLookup).flatMap(\.candidates) + ProbeRole.returnThunks
}
