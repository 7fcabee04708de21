// SPDX-License-Identifier: Apache-2.0 AND (GPL-2.0-only OR BSD-2-Clause)

// What this host permits, before anything is loaded: kernel, BTF, lockdown, capabilities, the kernel options that
// tracing needs. The report names the real reason of a refusal, because the kernel itself only says "Operation not
// permitted".

import CLibbpf
public import Events
import Glibc
internal import Live
internal import System

extension HostReport {
    /// Looks at the running host. Needs no privilege and changes nothing.
    public static func read() -> HostReport { read(symbols: KernelSymbols.read(wanted: features)) }

    /// With symbols that were read already; `features` must have been among those asked for.
    static func read(symbols: KernelSymbols?) -> HostReport {
        var report = HostReport(
            kernelRelease: readText("/proc/sys/kernel/osrelease") ?? "unknown", checks: [], refusal: nil)
        report.add("page size", "\(sysconf(Int32(_SC_PAGESIZE))) bytes")
        report.checkBPF()
        report.checkLockdown()
        report.checkCapabilities()
        report.checkBTF()
        report.checkProbes(symbols)
        report.checkPreemption()
        report.checkTrial(hasKprobes: symbols?.has("register_kprobe") ?? true)
        return report
    }

    private mutating func add(_ name: String, _ value: String, advice: String? = nil, refusal: String? = nil) {
        checks.append(
            Check(name: name, value: value, isFine: advice == nil && refusal == nil, advice: refusal ?? advice))
        if self.refusal == nil { self.refusal = refusal }
    }

    private mutating func checkBPF() {
        // An invalid command reaches the call's own check, or ENOSYS where there is no such call.
        let code = bpf_prog_get_fd_by_id(UInt32.max)
        if code == -ENOSYS {
            add("bpf", "absent", refusal: "this kernel has no bpf() system call (CONFIG_BPF_SYSCALL is off)")
        } else {
            add("bpf", "present")
        }
    }

    private mutating func checkLockdown() {
        guard let text = readText("/sys/kernel/security/lockdown") else {
            add("lockdown", "not shown (securityfs is not mounted, or the kernel has no lockdown)")
            return
        }
        let mode = text.split(separator: "[").last?.split(separator: "]").first.map(String.init) ?? text
        if mode == "confidentiality" {
            add(
                "lockdown", mode,
                refusal:
                    "kernel lockdown is in confidentiality mode, which forbids BPF to read kernel memory; boot without lockdown=confidentiality"
            )
        } else {
            add("lockdown", mode)
        }
    }

    private mutating func checkCapabilities() {
        let held = Capability.effective()
        func has(_ capability: Capability) -> Bool {
            let implied = capability == .syslog ? 0 : Capability.sysAdmin.mask
            return held & (capability.mask | implied) != 0
        }
        let missing = [Capability.bpf, .perfmon, .syslog].filter { !has($0) }
        let list = missing.map(\.name).joined(separator: ", ")
        if missing.isEmpty {
            let limit = Self.kprobeLimit()
            add("capabilities", "CAP_BPF, CAP_PERFMON, CAP_SYSLOG", advice: limit.map { $0 + "; entry hooks are used" })
        } else if missing == [.syslog] {
            // The symbols show whether it is needed.
            add("capabilities", "no CAP_SYSLOG")
        } else {
            add(
                "capabilities", "no \(list)",
                refusal: "this process lacks \(list); run as root, or grant CAP_BPF, CAP_PERFMON and CAP_SYSLOG")
        }
    }

    /// Why kprobes, and so call sites, are refused to a process with CAP_PERFMON; nil when they are not. Above 2
    /// is an addition of Debian's and Ubuntu's kernels.
    static func kprobeLimit() -> String? {
        guard let level = readText("/proc/sys/kernel/perf_event_paranoid").flatMap({ Int($0) }), level > 2,
            Capability.effective() & Capability.sysAdmin.mask == 0
        else { return nil }
        return "kernel.perf_event_paranoid is \(level), and above 2 kprobes need CAP_SYS_ADMIN"
    }

    private mutating func checkBTF() {
        if unsafe access("/sys/kernel/btf/vmlinux", R_OK) == 0 {
            add("btf", "/sys/kernel/btf/vmlinux")
        } else {
            add(
                "btf", "absent",
                refusal:
                    "this kernel carries no BTF (no /sys/kernel/btf/vmlinux: CONFIG_DEBUG_INFO_BTF is off), which BPF needs; ftrace does without it"
            )
        }
    }

    private mutating func checkProbes(_ symbols: KernelSymbols?) {
        guard let symbols else {
            add(
                "kernel symbols", "absent",
                refusal: "/proc/kallsyms cannot be read, so no function can be found; is /proc mounted?")
            return
        }
        if symbols.hasAddresses {
            add("kernel symbols", "readable")
        } else if Capability.effective() & Capability.syslog.mask == 0 {
            add(
                "kernel symbols", "hidden",
                refusal:
                    "this process lacks CAP_SYSLOG, so the kernel hides its functions' addresses; run as root, or grant CAP_SYSLOG"
            )
        } else {
            add(
                "kernel symbols", "hidden",
                advice:
                    "kernel.kptr_restrict hides addresses from everybody, so causes come from activities alone; set it to 1 or 0"
            )
        }
        func state(_ name: String) -> String { symbols.has(name) ? "yes" : "no" }
        let hasKprobes = symbols.has("register_kprobe")
        let hasTrampolines = ProbePlan.hasTrampolines(symbols)
        let value =
            "kprobe \(state("register_kprobe")), kprobe.multi \(state("register_fprobe_ips")), fentry \(hasTrampolines ? "yes" : "no")"
        if !hasKprobes && !hasTrampolines {
            add(
                "probes", value,
                refusal:
                    "this kernel can attach no program to a function: it has neither kprobes (CONFIG_KPROBES) nor BPF trampolines (CONFIG_BPF_JIT, CONFIG_DYNAMIC_FTRACE)"
            )
        } else if !hasKprobes {
            add("probes", value, advice: "without CONFIG_KPROBES a function that fentry refuses cannot be probed")
        } else {
            add("probes", value)
        }
        add(
            "memory areas", symbols.has("bpf_find_vma") ? "readable" : "not readable",
            advice: symbols.has("bpf_find_vma")
                ? nil
                : "this kernel has no bpf_find_vma() (5.17): zero-page and special-mapping are reported as unknown")
        if !symbols.has("get_futex_key") {
            add(
                "get_futex_key", "absent",
                refusal: "this kernel has no function get_futex_key to observe (is CONFIG_FUTEX on, or was it inlined?)"
            )
        } else {
            let rule = RunningRule.read()
            add(
                "rule", rule.text,
                advice: rule.name == nil ? "a livepatch declares its rule in the module parameter futex_rule" : nil)
        }
    }

    private mutating func checkPreemption() {
        let preemption = KernelPreemption.read()
        let consequence =
            preemption.isPossible ? "kprobes, which cannot be preempted" : "kprobe.multi where the kernel has it"
        add("preemption", "\(preemption.rawValue): operations are counted with \(consequence)")
    }

    static let features =
        [
            "register_kprobe", "register_fprobe_ips", "bpf_find_vma", "get_futex_key",
        ] + ProbePlan.trampolines

    /// Loads a program that reads kernel memory, and drops it: the least that tracing needs. It is a kprobe program, or
    /// one for a trampoline where there are no kprobes.
    private mutating func checkTrial(hasKprobes: Bool) {
        guard refusal == nil else { return }
        // r1 = r10 - 8; r2 = 8; r3 = 0; bpf_probe_read_kernel(r1, r2, r3); r0 = 0; exit
        let program: [bpf_insn] = [
            .make(0xbf, destination: 1, source: 10), .make(0x07, destination: 1, immediate: -8),
            .make(0xb7, destination: 2, immediate: 8), .make(0xb7, destination: 3), .make(0x85, immediate: 113),
            .make(0xb7), .make(0x95),
        ]
        // The kernel copies the instructions during the call.
        let descriptor =
            unsafe hasKprobes
            ? bpf_prog_load(BPF_PROG_TYPE_KPROBE, "futexscope_try", "Dual BSD/GPL", program, program.count, nil)
            : fs_try_trampoline("get_futex_key", program, program.count)
        if descriptor >= 0 {
            close(descriptor)
            add("trial program", "loaded")
            return
        }
        let reason = errorText(-descriptor)
        var advice =
            -descriptor == EPERM
            ? "this process has the capabilities, so it is kernel lockdown, a security module, a seccomp filter or a container's limit"
            : "kernel lockdown in confidentiality mode, or a kernel without CONFIG_BPF_EVENTS"
        if checks.contains(where: { $0.name == "lockdown" && $0.value.hasPrefix("not shown") }) {
            advice += "; mount -t securityfs securityfs /sys/kernel/security, then see lockdown and lsm there"
        }
        add("trial program", reason, refusal: "the kernel refuses a tracing program (\(reason)): \(advice)")
    }
}
