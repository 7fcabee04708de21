// SPDX-License-Identifier: Apache-2.0

// The BPF object from bytes to attached programs: prepare, load, attach. It owns the object and the links; when it is
// destroyed, nothing stays in the kernel. A refusal names the probe, so that the plan can step down a rung and a fresh
// object can be tried.

import BPFObject
import CLibbpf
import CRecords
import Events
import Glibc
import System

/// An opened object with its programs on their hooks.
@safe final class TracingObject {
    /// One probe could not be attached on its present rung.
    struct Refusal: Error {
        var position: Int
        var reason: String
    }

    /// The memory in which the programs count.
    let counters: CounterMemory

    private let object: OpaquePointer
    private var links: [Link] = []

    /// A program on its hook.
    @safe private struct Link {
        let pointer: OpaquePointer
        let hook: Hook
    }

    /// Writes the settings, loads the programs of the plan and attaches them. `extents` are those of functions whose
    /// addresses are known: the kernel need not search for their names.
    /// - Throws: `Refusal` for one probe, `CaptureError` when it is not about a single probe.
    init(
        _ unloaded: consuming UnloadedObject, attaching plan: ProbePlan, extents: [String: Range<UInt64>],
        options: CaptureOptions
    ) throws {
        let opened = unsafe unloaded.release()
        do {
            unsafe try Self.prepare(opened, plan: plan, options: options)
            let code = unsafe bpf_object__load(opened)
            guard code == 0 else { throw Self.loadFailure(code: code, plan: plan) }
            counters = try CounterMemory(
                map: unsafe bpf_object__find_map_fd_by_name(opened, "counters"), cpus: Self.possibleCPUs())
        } catch {
            unsafe bpf_object__close(opened)
            throw error
        }
        unsafe object = unsafe opened
        // Programs that explain observations are attached before programs that make them: kprobe.multi carries the
        // activities, and the table of probes has its own order.
        try attachMulti(plan: plan, extents: extents)
        for position in plan.probes.indices { try attach(position, plan: plan) }
    }

    deinit {
        // Each link is destroyed once, before the object whose programs it holds.
        links.reversed().forEach { unsafe bpf_link__destroy($0.pointer) }
        unsafe bpf_object__close(object)
    }

    // MARK: Prepare

    private static func prepare(_ object: OpaquePointer, plan: ProbePlan, options: CaptureOptions) throws {
        var wanted: [String: ProbePlan.Probe] = [:]
        for probe in plan.probes {
            let programs = probe.programs(areaReadable: plan.areaReadable)
            for name in [programs.entry, programs.exit].compactMap({ $0 }) { wanted[name] = probe }
        }
        AttachIDs.set(wanted.compactMapValues(\.attachID))
        var program = unsafe bpf_object__next_program(object, nil)
        while let current = unsafe program {
            let name = unsafe String(cString: bpf_program__name(current))
            let probe = wanted[name]
            unsafe bpf_program__set_autoload(current, probe != nil)
            if probe?.hook == .kprobeMulti {
                unsafe bpf_program__set_expected_attach_type(current, BPF_TRACE_KPROBE_MULTI)
            }
            unsafe program = unsafe bpf_object__next_program(object, current)
        }
        guard let ring = unsafe bpf_object__find_map_by_name(object, "events"),
            unsafe bpf_map__set_max_entries(ring, options.ringBytes) == 0
        else { throw CaptureError.badRingSize(options.ringBytes) }
        let cpus = try possibleCPUs()
        guard let counters = unsafe bpf_object__find_map_by_name(object, "counters"),
            unsafe bpf_map__set_max_entries(counters, UInt32(cpus)) == 0
        else { throw CaptureError.objectUnreadable("it has no counters") }
        unsafe try ProgramConstants(plan: plan, options: options).write(into: object)
    }

    private static func possibleCPUs() throws(CaptureError) -> Int {
        let cpus = libbpf_num_possible_cpus()
        guard cpus > 0 else { throw .system("count the CPUs", errno: -cpus) }
        return Int(cpus)
    }

    // MARK: Load

    private static func loadFailure(code: Int32, plan: ProbePlan) -> any Error {
        let log = LibbpfLog.take()
        if -code == EPERM {
            return CaptureError.notPermitted(
                HostReport.read().refusal ?? "this host refuses to load BPF programs: \(errorText(EPERM))")
        }
        for line in log {
            guard let name = line.quoted(after: "prog '"),
                let position = plan.position(ofProgram: name)
            else { continue }
            return Refusal(position: position, reason: log.verdict ?? errorText(-code))
        }
        return CaptureError.loadFailed(log.verdict ?? errorText(-code))
    }

    // MARK: Attach

    /// Attaches one probe of the plan, unless it is on kprobe.multi.
    /// - Throws: `Refusal`.
    private func attach(_ position: Int, plan: ProbePlan) throws(Refusal) {
        let probe = plan.probes[position]
        guard let hook = probe.hook, hook != .kprobeMulti, let function = probe.function else { return }
        let programs = probe.programs(areaReadable: plan.areaReadable)
        // The return first: an entry without its return would leave state behind.
        let returns = hook == .callsite ? probe.returnOffsets : [0]
        let calls = hook == .callsite ? probe.offsets : [0]
        let places = returns.map { (programs.exit, true, $0) } + calls.map { (programs.entry, false, $0) }
        for (name, atReturn, offset) in places {
            guard let name else { continue }
            LibbpfLog.begin()
            let program = unsafe bpf_object__find_program_by_name(object, name)
            let link: OpaquePointer? =
                switch hook {
                case .callsite: unsafe fs_attach_kprobe_at(program, function, offset)
                case .fentry, .tpBTF: unsafe bpf_program__attach_trace(program)
                case .kprobe: unsafe bpf_program__attach_kprobe(program, atReturn, function)
                case .rawTracepoint: unsafe bpf_program__attach_raw_tracepoint(program, function)
                case .kprobeMulti: nil
                }
            guard let link = unsafe link else {
                throw Refusal(position: position, reason: Self.reason(errno, hook: hook))
            }
            links.append(unsafe Link(pointer: link, hook: hook))
        }
    }

    private static func reason(_ number: Int32, hook: Hook) -> String {
        let isKprobe = hook == .callsite || hook == .kprobe
        let limit = number == EACCES && isKprobe ? HostReport.kprobeLimit() : nil
        return errorText(number) + (limit.map { ": \($0)" } ?? "")
    }

    /// Attaches all probes on kprobe.multi with one link for the returns and one for the entries.
    /// - Throws: `Refusal` of the first function that the kernel refuses alone, or of the first of all when it refuses
    ///   them only together.
    private func attachMulti(plan: ProbePlan, extents: [String: Range<UInt64>]) throws(Refusal) {
        let positions = plan.onMulti
        guard let first = positions.first else { return }
        for (name, atReturn) in [("return_multi", true), ("entry_multi", false)] {
            let members = positions.filter { !atReturn || plan.probes[$0].role.hasReturn }
            if let link = unsafe multiLink(name, members, plan: plan, extents: extents, atReturn: atReturn) {
                links.append(unsafe Link(pointer: link, hook: .kprobeMulti))
                continue
            }
            let reason = errorText(errno)
            for member in members {
                guard let link = unsafe multiLink(name, [member], plan: plan, extents: extents, atReturn: atReturn)
                else {
                    throw Refusal(position: member, reason: errorText(errno))
                }
                unsafe bpf_link__destroy(link)
            }
            throw Refusal(position: first, reason: reason)
        }
    }

    private func multiLink(
        _ program: String, _ positions: [Int], plan: ProbePlan, extents: [String: Range<UInt64>], atReturn: Bool
    ) -> OpaquePointer? {
        guard !positions.isEmpty else { return nil }
        let program = unsafe bpf_object__find_program_by_name(object, program)
        let functions = positions.map { plan.probes[$0].function ?? "" }
        let cookies = positions.map { UInt64(plan.probes[$0].role.number.rawValue) }
        let addresses = functions.compactMap { extents[$0]?.lowerBound }
        // The kernel has read the arrays when the call returns.
        if addresses.count == functions.count,
            let link = unsafe fs_attach_kprobe_multi(program, nil, addresses, cookies, positions.count, atReturn)
        {
            return unsafe link
        }
        // Copies that live until the kernel has read them, and are freed below.
        let names = unsafe functions.map { unsafe strdup($0) }
        defer { unsafe names.forEach { unsafe free($0) } }
        var pointers = unsafe names.map { unsafe UnsafePointer<CChar>($0) }
        return unsafe fs_attach_kprobe_multi(program, &pointers, nil, cookies, positions.count, atReturn)
    }

    /// Makes all programs do nothing from now on. Their counters and the records that they sent stay readable.
    func switchOff() {
        var (key, value): (UInt32, UInt64) = (0, 1)
        // `switched_off` is all that the section holds; both arguments live over the call.
        unsafe bpf_map_update_elem(map(".data.switch"), &key, &value, 0)
    }

    /// Detaches all programs, which are switched off; the maps stay readable. False when the kernel has not released
    /// them within `patienceMs`: then a child process remains that ends when the kernel has done so.
    func detach(patienceMs: Int32) -> Bool {
        let descriptors = inOrderOfClosing.map { unsafe bpf_link__fd($0.pointer) }
        var (release, gone): (Int32, Int32) = (-1, -1)
        // The child has its own copy of the descriptors; all arguments live over the call.
        let child = unsafe fs_keep_in_child(descriptors, descriptors.count, &release, &gone)
        // Without a child these closes are the last ones, and take as long as the kernel wants.
        inOrderOfClosing.forEach { unsafe bpf_link__destroy($0.pointer) }
        links = []
        guard child > 0 else { return true }
        close(release)
        defer { close(gone) }
        var end = pollfd(fd: gone, events: Int16(POLLIN), revents: 0)
        guard unsafe poll(&end, 1, patienceMs) > 0 else { return false }
        waitpid(child, nil, 0)
        return true
    }

    /// The order: first the call sites, because a trace that follows at once needs them. Then the hooks that wait for a
    /// grace period of RCU tasks, with the others between them: after each such period the kernel waits for a tenth of
    /// a second before it begins another, and the others take as long.
    private var inOrderOfClosing: [Link] {
        let sites = links.filter { $0.hook == .callsite }
        let waiting = links.filter { [.kprobeMulti, .fentry].contains($0.hook) }
        let others = links.filter { ![.callsite, .kprobeMulti, .fentry].contains($0.hook) }
        return sites + waiting.prefix(1) + others + waiting.dropFirst()
    }

    // MARK: What the loaded object offers

    /// Descriptor of a map, −1 if there is none of that name.
    func map(_ name: String) -> Int32 { unsafe bpf_object__find_map_fd_by_name(object, name) }

    /// What the kernel counted for all loaded programs, and the bytes of the maps.
    struct Cost {
        var runTimeNs: UInt64 = 0
        var runs: UInt64 = 0
        var misses: UInt64 = 0
        var mapBytes: UInt64 = 0
    }

    func cost() -> Cost {
        var sum = Cost()
        var program = unsafe bpf_object__next_program(object, nil)
        while let current = unsafe program {
            var cost = fs_program_cost()
            if unsafe bpf_program__fd(current) >= 0, unsafe fs_program_cost(current, &cost) == 0 {
                sum.runTimeNs &+= cost.run_time_ns
                sum.runs &+= cost.run_count
                sum.misses &+= cost.recursion_misses
            }
            unsafe program = unsafe bpf_object__next_program(object, current)
        }
        var map = unsafe bpf_object__next_map(object, nil)
        while let current = unsafe map {
            sum.mapBytes &+= unsafe mapBytes(of: bpf_map__fd(current))
            unsafe map = unsafe bpf_object__next_map(object, current)
        }
        return sum
    }

    /// Whether the kernel answers queries of this process about loaded programs.
    var isAnswered: Bool {
        var info = bpf_map_info()
        var size = UInt32(MemoryLayout<bpf_map_info>.size)
        // The structure has this size and lives over the call.
        return unsafe bpf_obj_get_info_by_fd(map("events"), &info, &size) == 0
    }

    /// The memory of a map as the kernel reports it: "memlock:" in its fdinfo.
    private func mapBytes(of descriptor: Int32) -> UInt64 {
        guard descriptor >= 0, let text = readText("/proc/self/fdinfo/\(descriptor)") else { return 0 }
        let line = text.split(separator: "\n").first { $0.hasPrefix("memlock:") }
        return line.flatMap { $0.split(separator: "\t").last }.flatMap { UInt64($0) } ?? 0
    }
}

extension ProbePlan {
    func position(ofProgram name: String) -> Int? {
        probes.firstIndex {
            let programs = $0.programs(areaReadable: areaReadable)
            return programs.entry == name || programs.exit == name
        }
    }
}
