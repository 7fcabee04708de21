// What the running kernel's BTF says about functions: whether they are there, how many arguments they
// take and of which type. No version is compared anywhere; this is where the differences are seen.

import CLibbpf

/// BTF_KIND_* of linux/btf.h, which Swift sees both as macros and as enumerators.
enum BTFKind {
    static let structure: UInt32 = 4
    static let enumeration: UInt32 = 6
    static let function: UInt32 = 12
    static let section: UInt32 = 15
}

/// The kernel's BTF. Owns libbpf's copy of it.
@safe struct KernelTypes: ~Copyable {
    private let btf: OpaquePointer
    private let index: NameIndex

    /// Nil when the kernel has no BTF.
    init?() {
        LibbpfLog.begin()
        guard let btf = unsafe btf__load_vmlinux_btf() else { return nil }
        unsafe self.btf = unsafe btf
        index = unsafe NameIndex(of: btf)
    }

    deinit { unsafe btf__free(btf) }

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
        index.candidates(for: name).first {
            guard let type = unsafe btf__type_by_id(btf, $0), unsafe btf_kind(type) == UInt16(kind) else {
                return false
            }
            return text(unsafe type.pointee.name_off) == name
        }
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

/// Types by the hash of their names. libbpf compares a name with all hundred thousand of them, for each
/// question anew.
private struct NameIndex {
    private static let mask = UInt32((1 << 17) - 1)
    /// For each hash the last type that has it, and for each type the one before it; 0 ends.
    private var last = [UInt32](repeating: 0, count: Int(mask) + 1)
    private var previous: [UInt32]

    init(of btf: OpaquePointer) {
        let count = unsafe btf__type_cnt(btf)
        previous = [UInt32](repeating: 0, count: Int(count))
        for id in 1..<max(1, count) {
            guard let type = unsafe btf__type_by_id(btf, id) else { continue }
            let kind = unsafe UInt32(btf_kind(type))
            guard kind == BTFKind.function || kind == BTFKind.structure || kind == BTFKind.enumeration,
                unsafe type.pointee.name_off != 0, let name = unsafe btf__name_by_offset(btf, type.pointee.name_off)
            else { continue }
            var hash: UInt32 = 0
            var position = 0
            // A name ends with a zero.
            while case let byte = unsafe UInt8(bitPattern: name[position]), byte != 0 {
                hash = Self.hash(hash, byte)
                position += 1
            }
            previous[Int(id)] = last[Int(hash & Self.mask)]
            last[Int(hash & Self.mask)] = id
        }
    }

    /// Types that may have a name, in their order.
    func candidates(for name: String) -> [UInt32] {
        var ids: [UInt32] = []
        var id = last[Int(name.utf8.reduce(0, Self.hash) & Self.mask)]
        while id != 0 {
            ids.append(id)
            id = previous[Int(id)]
        }
        return ids.reversed()
    }

    private static func hash(_ sum: UInt32, _ byte: UInt8) -> UInt32 { (sum ^ UInt32(byte)) &* 0x0100_0193 }
}
