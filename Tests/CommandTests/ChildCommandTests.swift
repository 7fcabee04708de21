// SPDX-License-Identifier: Apache-2.0

// A command that is held waits until it is let go, tells when it cannot be run, and does not outlive a run
// that never comes to it.

internal import Glibc
internal import Testing

@testable internal import futexscope

@Suite struct ChildCommandTests {
    @Test("a held command runs when it is started, and not before")
    func held() throws {
        let path = "/tmp/futexscope-held-\(getpid())"
        defer { unsafe rmdir(path) }
        let command = try #require(ChildCommand(["mkdir", path]))
        try command.hold()
        usleep(100_000)
        #expect(!Descriptor.exists(path))
        try command.start()
        #expect(command.waitStatus() == 0)
        #expect(Descriptor.exists(path))
    }

    @Test("a held command that is never started ends with its holder")
    func abandoned() throws {
        let path = "/tmp/futexscope-abandoned-\(getpid())"
        do {
            let command = try #require(ChildCommand(["mkdir", path]))
            try command.hold()
        }
        usleep(100_000)
        #expect(!Descriptor.exists(path))
    }

    @Test("a held command that is no program is told as such")
    func noProgram() throws {
        let path = "/tmp/futexscope-no-program-\(getpid())"
        let number = unsafe open(path, O_WRONLY | O_CREAT, 0o700)
        _ = unsafe write(number, [0], 1)
        close(number)
        defer { unsafe unlink(path) }
        let command = try #require(ChildCommand([path]))
        try command.hold()
        #expect(throws: CommandFailure.running("cannot run \(path): \(Descriptor.text(ENOEXEC))")) {
            try command.start()
        }
    }
}
