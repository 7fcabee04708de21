// SPDX-License-Identifier: Apache-2.0

// A notification arrives as one datagram, at a path and at an abstract name. That systemd and its watchdog understand it is
// tested in guests.

internal import CLinux
internal import Glibc
internal import Testing

@Suite struct SupervisorTests {
    @Test(
        "a datagram arrives at a path and at an abstract name",
        arguments: ["/tmp/futexscope-notify-", "@futexscope-notify-"])
    func arrives(prefix: String) throws {
        let name = prefix + "\(getpid())"
        let descriptor = socket(AF_UNIX, Int32(SOCK_DGRAM.rawValue), 0)
        defer {
            close(descriptor)
            if name.hasPrefix("/") { unsafe unlink(name) }
        }
        #expect(unsafe clinux_notify(name, "READY=1") == -1)
        var address = sockaddr_un()
        address.sun_family = sa_family_t(AF_UNIX)
        // The name fits into the address.
        unsafe withUnsafeMutableBytes(of: &address.sun_path) { unsafe $0.copyBytes(from: Array(name.utf8)) }
        if name.hasPrefix("@") { address.sun_path.0 = 0 }
        let length = socklen_t(MemoryLayout<sa_family_t>.size + name.utf8.count)
        let code = unsafe withUnsafePointer(to: &address) {
            unsafe $0.withMemoryRebound(to: sockaddr.self, capacity: 1) { unsafe bind(descriptor, $0, length) }
        }
        try #require(code == 0)
        #expect(unsafe clinux_notify(name, "READY=1\nSTATUS=all is attached") == 0)
        var bytes = [UInt8](repeating: 0, count: 100)
        // MSG_DONTWAIT.
        let count = unsafe recv(descriptor, &bytes, bytes.count, Int32(0x40))
        #expect(count > 0)
        #expect(String(decoding: bytes[..<max(0, count)], as: UTF8.self) == "READY=1\nSTATUS=all is attached")
    }

    @Test("an invalid name is refused", arguments: ["", "@", "relative", "/" + String(repeating: "x", count: 108)])
    func refused(name: String) {
        #expect(unsafe clinux_notify(name, "READY=1") == -1)
        #expect(errno == EINVAL)
    }
}
