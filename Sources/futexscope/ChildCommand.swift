// SPDX-License-Identifier: Apache-2.0

// Another program under this one: the command that a recording follows from its start to its end, and the
// program that turns somebody else's binary trace into text. It is looked for before anything else is
// done, so that a name that is wrong costs nothing.

internal import CLinux
internal import Glibc

/// A program by its path, and the process once it is started.
final class ChildCommand {
    private let path: String
    private let arguments: [String]
    private var process: pid_t = -1
    /// Lets a held process run; -1 when there is none.
    private var release: Int32 = -1
    /// Readable when the process has ended.
    private(set) var endDescriptor: Int32 = -1

    /// Looks for the program as a shell would.
    /// - Returns: nil when there is no such program.
    init?(_ arguments: [String]) {
        guard let name = arguments.first, let path = Self.find(name) else { return nil }
        (self.path, self.arguments) = (path, arguments)
    }

    deinit { for descriptor in [endDescriptor, release] where descriptor >= 0 { close(descriptor) } }

    /// Makes its process, which keeps the rights that this one has now, and waits for `start`. If that never
    /// comes it ends with this object.
    func hold() throws {
        process = unsafe withWords { unsafe clinux_hold_command(path, $0, &release) }
        guard process > 0 else { throw failure() }
    }

    /// Starts it, with `output` as its standard output if one is given and it was not held.
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
            throw CommandFailure.running("cannot wait for \(path): \(Descriptor.text(errno)); Linux 5.3 is needed")
        }
    }

    private func failure() -> CommandFailure {
        .running("cannot run \(path): \(Descriptor.text(errno))")
    }

    /// The arguments as C has them: copies that live until the process has its own.
    private func withWords<Result>(_ body: (UnsafePointer<UnsafeMutablePointer<CChar>?>) -> Result) -> Result {
        let words = unsafe arguments.map { unsafe strdup($0) } + [nil]
        defer { unsafe words.forEach { unsafe free($0) } }
        return unsafe words.withUnsafeBufferPointer { unsafe body($0.baseAddress!) }
    }

    func send(signal number: Int32) {
        if process > 0 { kill(process, number) }
    }

    /// Waits for its end. The exit status as a shell has it.
    func waitStatus() -> Int32 { clinux_wait_status(process) }

    private static func find(_ name: String) -> String? {
        if name.utf8.contains(UInt8(ascii: "/")) { return isProgram(name) ? name : nil }
        let places = (Descriptor.environment("PATH") ?? "/usr/bin:/bin").split(separator: ":")
        return places.map { "\($0)/\(name)" }.first(where: isProgram)
    }

    private static func isProgram(_ path: String) -> Bool {
        var status = stat()
        // The structure lives over the call.
        return unsafe stat(path, &status) == 0 && status.st_mode & S_IFMT == S_IFREG && access(path, X_OK) == 0
    }
}
