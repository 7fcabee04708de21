// SPDX-License-Identifier: Apache-2.0

// The BPF object between its bytes and the kernel: it is opened, and nothing is loaded. Its programs, and the types
// that they were written for, are known then.

import BPFObject
import CLibbpf
import Events
import Glibc
import Synchronization
import System

/// An opened object. Needs no privilege.
@safe struct UnloadedObject: ~Copyable {
    private let object: OpaquePointer

    /// - Parameter typesPath: a file with the kernel's types to which the object is adapted when it is loaded; the file
    ///   must exist by then. Without one, libbpf reads all of the kernel's types.
    init(typesPath: String? = nil) throws(CaptureError) {
        LibbpfLog.begin()
        let code = AttachIDs.answer()
        guard code == 0 else { throw .objectUnreadable(errorText(-code)) }
        let bytes = BPFObject.bytes()
        // libbpf copies bytes and path while it opens the object.
        let opened = unsafe bytes.withUnsafeBytes { bytes in
            guard let typesPath else { return unsafe fs_object_open(bytes.baseAddress, bytes.count, "futexscope", nil) }
            return unsafe fs_object_open(bytes.baseAddress, bytes.count, "futexscope", typesPath)
        }
        guard let opened = unsafe opened else { throw .objectUnreadable(errorText(errno)) }
        unsafe object = unsafe opened
    }

    deinit { unsafe bpf_object__close(object) }

    /// Passes the object to a caller, who closes it.
    consuming func release() -> OpaquePointer {
        let object = unsafe object
        discard self
        return unsafe object
    }

    /// Names of all programs in the object.
    var programNames: Set<String> {
        var names: Set<String> = []
        var program = unsafe bpf_object__next_program(object, nil)
        while let current = unsafe program {
            names.insert(unsafe String(cString: bpf_program__name(current)))
            unsafe program = unsafe bpf_object__next_program(object, current)
        }
        return names
    }

    /// Names of all types that its programs use, those of the kernel among them. The part of a name after three
    /// underscores distinguishes several layouts of one type.
    var typeNames: Set<String> {
        var names: Set<String> = []
        let btf = unsafe bpf_object__btf(object)
        for id in unsafe 1..<max(1, btf__type_cnt(btf)) {
            // Each type below the count is there for as long as the object is.
            guard let type = unsafe btf__type_by_id(btf, id),
                unsafe btf_is_composite(type) || btf_is_any_enum(type) || btf_is_typedef(type),
                let name = unsafe btf__name_by_offset(btf, type.pointee.name_off)
            else { continue }
            // Both strings end with a zero, and what is found lies in the first.
            let count = unsafe strstr(name, "___").map { unsafe UnsafePointer($0) - name } ?? strlen(name)
            names.insert(
                unsafe String(
                    decoding: UnsafeRawBufferPointer(start: name, count: Int(count)), as: UTF8.self))
        }
        return names
    }
}

/// The kernel's numbers of what programs for trampolines and tracepoints are attached to, for as long as an
/// object is loaded.
enum AttachIDs {
    private static let ids = Mutex<[String: UInt32]>([:])

    /// - Parameter ids: by the program's name.
    static func set(_ ids: [String: UInt32]) {
        Self.ids.withLock { $0 = ids }
    }

    /// From now on, objects that are opened ask this table. 0, or -errno.
    fileprivate static func answer() -> Int32 {
        unsafe fs_set_attach_ids { program in
            guard let program = unsafe program else { return 0 }
            let name = unsafe String(cString: program)
            return AttachIDs.ids.withLock { $0[name] ?? 0 }
        }
    }
}

/// A file in memory with types to which objects are adapted, because libbpf takes a path. It has no name and is removed
/// with this value.
final class TypesFile {
    private let descriptor: Int32

    /// Nil where the system makes none.
    init?() {
        descriptor = fs_types_file()
        if descriptor < 0 { return nil }
    }

    deinit { close(descriptor) }

    /// For this process alone.
    var path: String { "/proc/self/fd/\(descriptor)" }

    /// False when there is no room for it, with errno.
    func write(_ bytes: [UInt8]) -> Bool {
        var written = 0
        while written < bytes.count {
            // Inside the array, which lives over the call.
            let count = unsafe bytes[written...].withUnsafeBytes {
                unsafe Glibc.write(descriptor, $0.baseAddress, $0.count)
            }
            guard count > 0 else { return false }
            written += count
        }
        return true
    }
}
