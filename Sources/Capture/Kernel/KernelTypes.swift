// SPDX-License-Identifier: Apache-2.0

// What the running kernel's BTF says about functions: whether they exist, how many arguments they take and of which
// type. No kernel version is compared anywhere; differences between kernels are found here.

import CLibbpf
import System

/// Those of the kernel's types that have one of some names. Owns libbpf's copy of them.
@safe struct KernelTypes: ~Copyable {
    /// What libbpf has a copy of, and what the programs are adapted to.
    let excerpt: KernelTypeExcerpt
    private let btf: OpaquePointer

    static let path = "/sys/kernel/btf/vmlinux"

    /// Nil when the kernel has no BTF.
    /// - Parameter names: of functions, structures and enumerations that will be asked for; all others are unknown.
    init?(names: some Sequence<String>) {
        guard let bytes = readFile(Self.path), let excerpt = KernelTypeExcerpt(of: bytes, names: names)
        else { return nil }
        self.init(excerpt)
    }

    /// Nil when libbpf does not understand the excerpt.
    init?(_ excerpt: KernelTypeExcerpt) {
        LibbpfLog.begin()
        // libbpf copies the bytes during the call.
        guard let btf = unsafe btf__new(excerpt.bytes, UInt32(excerpt.bytes.count)) else { return nil }
        self.excerpt = excerpt
        unsafe self.btf = unsafe btf
    }

    deinit { unsafe btf__free(btf) }

    /// The kernel's number of what a program for a function's trampoline or a tracepoint is attached to; nil when
    /// BTF does not know it.
    func attachID(of name: String, isTracepoint: Bool) -> UInt32? {
        let type =
            isTracepoint
            ? excerpt.type(Self.tracepointPrefix + name, BTFKind.typedef) : excerpt.type(name, BTFKind.function)
        return type?.kernelID
    }

    /// The type of a tracepoint's arguments is called like this and its name.
    static let tracepointPrefix = "btf_trace_"

    /// Number of arguments of a function; nil when BTF does not know it.
    func argumentCount(of function: String) -> Int? {
        // `btf` is valid until deinit, and so is every type that it hands out.
        guard let prototype = unsafe prototype(of: function) else { return nil }
        return unsafe Int(btf_vlen(prototype))
    }

    /// Whether the argument at `position` is a truth value.
    func argumentIsBool(_ position: Int, of function: String) -> Bool? {
        guard let type = unsafe argument(position, of: function) else { return nil }
        return unsafe btf_is_int(type) && btf_int_encoding(type) & UInt8(BTF_INT_BOOL) != 0
    }

    /// Position of the first argument that points to a `struct page` or `struct folio`.
    func pageArgument(of function: String) -> Int? {
        guard let count = argumentCount(of: function) else { return nil }
        return (0..<count).first { position in
            guard let type = unsafe argument(position, of: function), unsafe btf_is_ptr(type),
                let target = unsafe resolved(type.pointee.type)
            else { return false }
            let name = unsafe text(target.pointee.name_off)
            return name == "page" || name == "folio"
        }
    }

    /// Whether an enumerator exists, such as a BPF helper's number.
    func has(enumerator name: String, of enumeration: String) -> Bool {
        let id = id(of: enumeration, BTFKind.enumeration)
        guard let id, let type = unsafe btf__type_by_id(btf, id) else { return false }
        let values = unsafe btf_enum(type)
        return unsafe (0..<Int(btf_vlen(type))).contains { position in
            unsafe values.map { unsafe text($0[position].name_off) == name } ?? false
        }
    }

    /// The value of an enumerator.
    func value(of name: String, in enumeration: String) -> Int? {
        let id = id(of: enumeration, BTFKind.enumeration)
        guard let id, let type = unsafe btf__type_by_id(btf, id), let values = unsafe btf_enum(type)
        else { return nil }
        for position in 0..<Int(unsafe btf_vlen(type)) where unsafe text(values[position].name_off) == name {
            return unsafe Int(values[position].val)
        }
        return nil
    }

    /// Bytes of a structure; nil when BTF does not know it.
    func size(of structure: String) -> Int? {
        unsafe self.structure(structure).map { unsafe Int($0.pointee.size) }
    }

    /// Bytes from the begin of a structure to a field, which may lie in structures without a name.
    func offset(of field: String, in structure: String) -> Int? {
        guard let type = unsafe self.structure(structure) else { return nil }
        return unsafe offset(of: field, in: type, depth: 0)
    }

    /// The first type of a kind and a name.
    private func id(of name: String, _ kind: UInt32) -> UInt32? {
        excerpt.type(name, kind)?.id
    }

    private func structure(_ name: String) -> UnsafePointer<btf_type>? {
        let id = id(of: name, BTFKind.structure)
        return unsafe id.flatMap { unsafe btf__type_by_id(btf, $0) }
    }

    private func offset(of field: String, in type: UnsafePointer<btf_type>, depth: Int) -> Int? {
        guard depth < 8, unsafe btf_is_composite(type), let members = unsafe btf_members(type) else { return nil }
        for position in 0..<Int(unsafe btf_vlen(type)) {
            // Inside the type: `position` is below its number of members.
            let member = unsafe members[position]
            let begin = unsafe Int(btf_member_bit_offset(type, UInt32(position))) / 8
            let name = text(member.name_off)
            if name == field { return begin }
            if name.isEmpty, let inner = unsafe resolved(member.type),
                let offset = unsafe offset(of: field, in: inner, depth: depth + 1)
            {
                return begin + offset
            }
        }
        return nil
    }

    private func prototype(of function: String) -> UnsafePointer<btf_type>? {
        let id = id(of: function, BTFKind.function)
        guard let id, let type = unsafe btf__type_by_id(btf, id) else { return nil }
        return unsafe btf__type_by_id(btf, type.pointee.type)
    }

    private func argument(_ position: Int, of function: String) -> UnsafePointer<btf_type>? {
        guard let prototype = unsafe prototype(of: function),
            unsafe position < Int(btf_vlen(prototype)), let parameters = unsafe btf_params(prototype)
        else { return nil }
        return unsafe resolved(parameters[position].type)
    }

    /// The type without typedefs and qualifiers.
    private func resolved(_ id: UInt32) -> UnsafePointer<btf_type>? {
        var type = unsafe btf__type_by_id(btf, id)
        while let current = unsafe type, unsafe btf_is_mod(current) || btf_is_typedef(current) {
            unsafe type = unsafe btf__type_by_id(btf, current.pointee.type)
        }
        return unsafe type
    }

    private func text(_ offset: UInt32) -> String {
        unsafe btf__name_by_offset(btf, offset).map { unsafe String(cString: $0) } ?? ""
    }
}
