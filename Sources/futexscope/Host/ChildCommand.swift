// SPDX-License-Identifier: Apache-2.0

// A child process: the command of `record -- COMMAND`, or trace-cmd or perf, which print a binary trace as text. The
// program is looked up before anything else is done, so that a wrong name costs nothing.

internal import CLinux
internal import Glibc
internal import System

/// A program, and its process when it has started.
final class ChildCommand {
    private let path: String
    private let arguments: [String]
    private var process: pid_t = -1
    /// Releases a held process; -1 when there is none.
    private var release: Int32 = -1
    /// Readable when the process has ended.
    private(set) var endDescriptor: Int32 = -1

    /// Looks for the program as a shell does.
    /// - Returns: nil when there is no such program.
    init?(_ arguments: [String]) {
        guard let name = arguments.first, let path = Self.find(name) else { return nil }
        (self.path, self.arguments) = (path, arguments)
    }

    deinit { for descriptor in [endDescriptor, release] where descriptor >= 0 { close(descriptor) } }

    /// Starts its process, which keeps the capabilities that this process has now, and waits for `start` before it runs the
    /// program. Without `start` it ends with this object.
    func hold() throws {
        process = unsafe withWords { unsafe clinux_hold_command(path, $0, &release) }
        guard process > 0 else { throw failure() }
    }

    /// Runs the program. `output` becomes its standard output, unless it is -1 or the process was held.
    func start(output: Int32 = -1) throws {
        if release >= 0 {
            let code = clinux_release_command(release)
            release = -1
            guard code == 0 else { throw failure() }
        } else {
            process = unsafe withWords { unsafe clinux_spawn_command(path, $0, output) }
            guard process > 0 else { throw failure() }
        }
        endDescriptor = clinux_process_descriptor(process)
        guard endDescriptor >= 0 else {
            throw CommandError.running("cannot wait for \(path): \(errorText(errno)); expected Linux 5.3 or later")
        }
    }

    private func failure() -> CommandError {
        .running("cannot run \(path): \(errorText(errno))")
    }

    /// Calls `body` with the arguments as C strings, which live until the process has its own copy.
    private func withWords<Result>(_ body: (UnsafePointer<UnsafeMutablePointer<CChar>?>) -> Result) -> Result {
        let words = unsafe arguments.map { unsafe strdup($0) } + [nil]
        defer { unsafe words.forEach { unsafe free($0) } }
        return unsafe words.withUnsafeBufferPointer { unsafe body($0.baseAddress!) }
    }

    func send(signal number: Int32) {
        if process > 0 { kill(process, number) }
    }

    /// Waits for its end.
    /// - Returns: the exit status as a shell reports it.
    func waitStatus() -> Int32 { clinux_wait_status(process) }

    private static func find(_ name: String) -> String? {
        if name.utf8.contains(UInt8(ascii: "/")) { return isProgram(name) ? name : nil }
        let places = (ThisProcess.environment("PATH") ?? "/usr/bin:/bin").split(separator: ":")
        return places.map { "\($0)/\(name)" }.first(where: isProgram)
    }

    private static func isProgram(_ path: String) -> Bool {
        var status = stat()
        // The structure lives over the call.
        return unsafe stat(path, &status) == 0 && status.st_mode & S_IFMT == S_IFREG && access(path, X_OK) == 0
    }
}
