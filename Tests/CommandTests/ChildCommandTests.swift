// SPDX-License-Identifier: Apache-2.0

// A held command waits until it is released, reports when it cannot be run, and ends with a parent that never releases it.

internal import Glibc
internal import System
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
        #expect(!OutputFile.exists(path))
        try command.start()
        #expect(command.waitStatus() == 0)
        #expect(OutputFile.exists(path))
    }

    @Test("a held command that is never started ends with its parent")
    func abandoned() throws {
        let path = "/tmp/futexscope-abandoned-\(getpid())"
        do {
            let command = try #require(ChildCommand(["mkdir", path]))
            try command.hold()
        }
        usleep(100_000)
        #expect(!OutputFile.exists(path))
    }

    @Test("a held command that is no program is reported")
    func noProgram() throws {
        let path = "/tmp/futexscope-no-program-\(getpid())"
        let number = unsafe open(path, O_WRONLY | O_CREAT, 0o700)
        _ = unsafe write(number, [0], 1)
        close(number)
        defer { unsafe unlink(path) }
        let command = try #require(ChildCommand([path]))
        try command.hold()
        #expect(throws: CommandError.running("cannot run \(path): \(errorText(ENOEXEC))")) {
            try command.start()
        }
    }
}
