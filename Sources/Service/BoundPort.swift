// SPDX-License-Identifier: Apache-2.0

// A port that is bound before anything else is done, so that a port in use costs nothing. It needs no thread and does not
// listen: a client that connects before the service runs is refused at once. If it listened, the kernel would accept the
// client, which would then wait for a service that starts late or never.

import Glibc
import NIOCore

/// A bound port, until a service takes it over or this value ends.
public final class BoundPort {
    private static let backlog: Int32 = 128

    /// With the port that the kernel chose.
    public let address: ListenAddress
    private var descriptor: Int32

    /// - Throws: `ServiceError` when the address cannot be bound or is in use.
    public init(_ address: ListenAddress) throws(ServiceError) {
        let family = address.host.contains(":") ? AF_INET6 : AF_INET
        let kind = Int32(SOCK_STREAM.rawValue | SOCK_CLOEXEC.rawValue | SOCK_NONBLOCK.rawValue)
        let descriptor = socket(family, kind, 0)
        guard descriptor >= 0 else { throw .cannotListen(address, errno: errno) }
        self.descriptor = descriptor
        var yes: Int32 = 1
        // A connection of an earlier service may still be closing.
        unsafe setsockopt(descriptor, SOL_SOCKET, SO_REUSEADDR, &yes, socklen_t(MemoryLayout<Int32>.size))
        var port: Int?
        do {
            // The address lives over the call.
            let code = unsafe try address.socketAddress().withSockAddr { name, size in
                unsafe bind(descriptor, name, socklen_t(size))
            }
            guard code == 0 else { throw ServiceError.cannotListen(address, errno: errno) }
            port = Self.port(of: descriptor)
        } catch let error as ServiceError {
            close(descriptor)
            self.descriptor = -1
            self.address = address
            throw error
        } catch {
            close(descriptor)
            self.descriptor = -1
            self.address = address
            throw .cannotListen(address, errno: EAFNOSUPPORT)
        }
        self.address = address.with(port: port)
    }

    deinit { if descriptor >= 0 { close(descriptor) } }

    /// The socket, which listens from now on. The caller closes it.
    /// - Throws: `ServiceError` when another process that had bound the port too listens by now.
    func take() throws(ServiceError) -> Int32 {
        guard listen(descriptor, Self.backlog) == 0 else { throw .cannotListen(address, errno: errno) }
        defer { descriptor = -1 }
        return descriptor
    }

    /// The number that the kernel chose.
    private static func port(of descriptor: Int32) -> Int? {
        var (name, size) = (sockaddr_storage(), socklen_t(MemoryLayout<sockaddr_storage>.size))
        // The kernel writes no more than there is room for; both families have the port in the same place.
        return unsafe withUnsafeMutablePointer(to: &name) { pointer in
            unsafe pointer.withMemoryRebound(to: sockaddr_in.self, capacity: 1) { internet in
                let code = unsafe internet.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                    unsafe getsockname(descriptor, $0, &size)
                }
                return code == 0 ? unsafe Int(UInt16(bigEndian: internet.pointee.sin_port)) : nil
            }
        }
    }
}
