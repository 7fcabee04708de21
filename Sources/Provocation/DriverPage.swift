// SPDX-License-Identifier: Apache-2.0

/// A page that a driver inserts into a process's memory, which no file's cache holds: it never has
/// a mapping.  Hosts permit different ones; the first that can be had is used.
enum DriverPage: CaseIterable, Sendable {
    case packetRing
    case bpfArray
    /// Last, since kernels before 6.1 map it such that the pin itself fails.
    case ioUring

    var name: String {
        switch self {
        case .packetRing: "an AF_PACKET ring"
        case .bpfArray: "a BPF array"
        case .ioUring: "an io_uring ring"
        }
    }

    /// The descriptor whose first page is to be mapped.
    func open() throws(SystemError) -> Descriptor {
        let number =
            switch self {
            case .packetRing: try Syscalls.packetRing(bytes: Mapping.pageBytes)
            case .bpfArray: try Syscalls.mappableArray(bytes: Mapping.pageBytes)
            case .ioUring: try Syscalls.ioUring()
            }
        return Descriptor(owning: number, subject: name)
    }
}
