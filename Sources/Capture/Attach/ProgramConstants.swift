// SPDX-License-Identifier: Apache-2.0

// The `const volatile` variables of bpf/maps.h. They are written before the object is loaded, so that the verifier
// removes the code that they switch off. They are found by name in the object's own BTF.

import CLibbpf
import CRecords
import Events
import Glibc

/// Values for the variables in `.rodata`.
struct ProgramConstants {
    private var bytes: [String: [UInt8]] = [:]

    /// - Throws: what is wrong with the control group of the filter.
    init(plan: ProbePlan, options: CaptureOptions) throws(CaptureError) {
        let victims = options.wanted
        var cgroup: CgroupFilter?
        if let path = victims.cgroup { cgroup = try CgroupFilter(path: path) }
        set("filter_pid", victims.pid ?? 0)
        set("filter_tid", victims.tid ?? 0)
        set("filter_by_uid", UInt8(victims.uid == nil ? 0 : 1))
        set("filter_uid", victims.uid ?? 0)
        set("filter_cgroup", cgroup?.id ?? 0)
        set("filter_cgroup_level", cgroup?.level ?? 0)
        set("filter_by_comm", UInt8(victims.comm == nil ? 0 : 1))
        if let comm = victims.comm {
            bytes["filter_comm"] = Self.bytes(of: comm.low) + Self.bytes(of: comm.high)
        }
        set("emit_all", UInt8(options.emitAll ? 1 : 0))
        set("min_passes", victims.minPasses)
        set("min_duration_ns", victims.minDurationNs)
        set("emit_activities", UInt8(options.emitsActivities ? 1 : 0))
        set("filter_by_result", UInt8(victims.result == nil ? 0 : 1))
        set("filter_result", victims.result ?? 0)
        // Instructions were found in the kernel's own function, which has this rule; a livepatch can have another one.
        set("has_todays_rule", UInt8(plan.usesCallSites || RunningRule.read().name == "swizzle" ? 1 : 0))
        set("can_be_preempted", UInt8(plan.probes.contains { $0.role.isOfLookup && $0.hook == .fentry } ? 1 : 0))
        set("follows_lookups", UInt8(plan.depth == .full ? 1 : 0))
        set("reads_register", UInt32(plan.reads?.register ?? 0))
        set("reads_mask", plan.reads?.mask ?? 0)
        set("page_shift", UInt32(sysconf(Int32(_SC_PAGESIZE)).trailingZeroBitCount))
        set("shared_argument_mask", plan.sharedArgumentMask)
        set("swap_out_folio_argument", plan.swapOutFolioArgument)
    }

    private mutating func set(_ name: String, _ value: some FixedWidthInteger) {
        bytes[name] = Self.bytes(of: value)
    }

    private static func bytes<Value: FixedWidthInteger>(of value: Value) -> [UInt8] {
        (0..<MemoryLayout<Value>.size).map { UInt8(truncatingIfNeeded: value >> Value($0 * 8)) }
    }

    /// Writes every value into the object's read-only data.
    func write(into object: OpaquePointer) throws(CaptureError) {
        var size = 0
        guard let map = unsafe bpf_object__find_map_by_name(object, ".rodata"),
            let data = unsafe bpf_map__initial_value(map, &size),
            let btf = unsafe bpf_object__btf(object)
        else { throw .objectUnreadable("it has no settings") }
        let section = unsafe btf__find_by_name_kind(btf, ".rodata", BTFKind.section)
        guard section > 0, let type = unsafe btf__type_by_id(btf, UInt32(section)),
            let variables = unsafe btf_var_secinfos(type)
        else { throw .objectUnreadable("its settings have no names") }
        var left = bytes
        for position in unsafe 0..<Int(btf_vlen(type)) {
            let place = unsafe variables[position]
            guard let variable = unsafe btf__type_by_id(btf, place.type),
                let name = unsafe btf__name_by_offset(btf, variable.pointee.name_off),
                let value = left.removeValue(forKey: unsafe String(cString: name))
            else { continue }
            // The section's own table says where the variable lies; both ends are checked against it.
            guard value.count <= Int(place.size), Int(place.offset) + value.count <= size else {
                throw .objectUnreadable("a setting has another size")
            }
            unsafe UnsafeMutableRawPointer(mutating: data).advanced(by: Int(place.offset)).copyMemory(
                from: value, byteCount: value.count)
        }
        guard left.isEmpty else {
            throw .objectUnreadable("it lacks the setting \(left.keys.sorted().joined(separator: ", "))")
        }
    }
}
