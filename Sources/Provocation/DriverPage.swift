// SPDX-License-Identifier: Apache-2.0

/// A page that a driver inserts into the memory of a process and that is in no page cache: it never has a mapping. Hosts
/// permit different ones; the first that is permitted is used.
enum DriverPage: CaseIterable, Sendable {
    case packetRing
    case bpfArray
    /// Last, because on kernels before 6.1 the pin of such a page fails.
    case ioUring

    var name: String {
        switch self {
        case .packetRing: "an AF_PACKET ring"
        case .bpfArray: "a BPF array"
        case .ioUring: "an io_uring ring"
        }
    }

    /// The descriptor whose first page the victim maps.
    func open() throws(SyscallError) -> Descriptor {
        let number =
            switch self {
            case .packetRing: try Syscalls.packetRing(bytes: Mapping.pageBytes)
            case .bpfArray: try Syscalls.mappableArray(bytes: Mapping.pageBytes)
            case .ioUring: try Syscalls.ioUring()
            }
        return Descriptor(owning: number, subject: name)
    }
}
