// SPDX-License-Identifier: Apache-2.0

// Errors before a service runs, one line each. Errors while it runs are reported to the client that caused them.

import Glibc
import System

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
            case EADDRINUSE: "; another program uses the port; choose one with --listen"
            case EADDRNOTAVAIL: "; expected an address of this host"
            default: ""
            }
        return ServiceError(message: "cannot listen on \(address.text): \(errorText(number))\(remedy)", exitCode: 1)
    }
}
