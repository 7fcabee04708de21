// SPDX-License-Identifier: Apache-2.0

// What can go wrong before a service runs, in one line each. What goes wrong while it runs is told to the client
// whose doing it is.

import Glibc

/// Why a service could not start.
public struct ServiceError: Error, Sendable, Equatable {
    /// What was tried, on what, what was expected, what to do.
    public var message: String
    /// 1 failed while running, 64 wrong usage.
    public var exitCode: Int32

    static func unusable(_ path: String, because reason: String) -> ServiceError {
        ServiceError(message: "cannot use the secret file \(path): \(reason)", exitCode: 64)
    }

    static func cannotListen(_ address: ListenAddress, errno number: Int32) -> ServiceError {
        let remedy =
            switch number {
            case EADDRINUSE: "; another program has the port: choose one with --listen"
            case EADDRNOTAVAIL: "; expected an address of this host"
            default: ""
            }
        return ServiceError(message: "cannot listen on \(address.text): \(text(number))\(remedy)", exitCode: 1)
    }

    static func text(_ error: Int32) -> String {
        // A static string for every number in the C library that is linked in.
        unsafe String(cString: strerror(error))
    }
}
