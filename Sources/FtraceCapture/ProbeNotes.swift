// SPDX-License-Identifier: Apache-2.0

// The probes of a run as every report shows them: those that ftrace attached, and those that ftrace cannot have, each
// with the consequence.

import Events
import Ftrace

extension TraceInstance {
    /// One line for each role.
    func probeReports(facts: KernelFacts, use: RecordedEvents.Use) -> [ProbeReport] {
        func report(
            _ role: String, _ event: String, _ function: String?, _ hook: Hook, isRequired: Bool = false, off: String
        ) -> ProbeReport {
            let isThere = defined[event] != nil
            let reason = refused[event].map { "the kernel refuses it (\($0))" } ?? "this kernel has no such function"
            return ProbeReport(
                role: role, function: function, hook: isThere ? hook : nil, isRequired: isRequired,
                note: isThere ? "recorded by ftrace" : "\(reason): \(off)")
        }
        var all: [ProbeReport] = []
        let isTracepoint = defined["fs_detach"]?.hasPrefix("t:") ?? true
        all.append(
            report(
                "detach", "fs_detach", isTracepoint ? "mm_filemap_delete_from_page_cache" : facts.unaccount,
                isTracepoint ? .rawTracepoint : .kprobe, off: "causes by page are unknown"))
        if use != .sentinel {
            all.append(report("lookup", "fs_lookup", "get_futex_key", .kprobe, isRequired: true, off: ""))
            all.append(report("pin", "fs_pin", "get_user_pages_fast", .kprobe, isRequired: true, off: ""))
            all.append(
                report(
                    "lock-wait", "fs_lock_wait", facts.lockWait, .kprobe,
                    off: "waits for the page's lock are not counted"))
        }
        let isAtSites = facts.lookupCode.map { !$0.unlockSites.isEmpty } ?? false
        all.append(
            report("unlock", "fs_unlock", facts.unlock, isAtSites ? .callsite : .kprobe, isRequired: true, off: ""))
        all.append(
            report(
                "fallocate", "fs_in_vfs_fallocate", "vfs_fallocate", .kprobe,
                off: "hole-punch is not distinguished from other kinds of fallocate"))
        func missing(_ role: String, _ note: String) -> ProbeReport {
            ProbeReport(role: role, function: nil, hook: nil, isRequired: false, note: note)
        }
        all.append(missing("swap-out", "ftrace does not record it: swap-out is not seen as a cause"))
        all.append(missing("migrated-page", "ftrace does not record it: migration is not seen as a cause"))
        // arm64 keeps neither the number of the zero page nor the begin of all pages in a variable.
        let others = facts.zeroPage != nil && facts.hasPageBase ? "" : "the zero page and "
        all.append(
            missing(
                "memory-area",
                "ftrace does not record it: \(others)pages of drivers and of the vDSO are reported as unknown"))
        if !ProcessNumbers.areOfHost {
            all.append(
                missing(
                    "process",
                    "this process has its own numbers of processes: threads stand for processes, and paths are unknown")
            )
        }
        if use == .sentinel {
            all.append(missing("operations", "ftrace records them at full depth alone: operations are not counted"))
        }
        return all
    }
}
