// SPDX-License-Identifier: Apache-2.0

// The few files of tracefs that a live run reads and writes, with all wording of the errors there. A library for this
// (libtracefs) would bring two more libraries into a program that runs as root, for writes of one line each.

import Events
import Glibc
import System

/// A mounted tracefs.
struct Tracefs: Sendable {
    /// Of the mount.
    let root: String

    private static let mounts = ["/sys/kernel/tracing", "/sys/kernel/debug/tracing"]

    /// Finds it.
    /// - Throws: with exit code 77 when it is not mounted, or refuses what a live run needs.
    static func find() throws(CaptureError) -> Tracefs {
        var refusal: Int32 = ENOENT
        for root in mounts {
            // A directory without tracefs has no such file.
            let descriptor = unsafe open(root + "/dynamic_events", O_WRONLY | O_APPEND | O_CLOEXEC)
            if descriptor >= 0 {
                close(descriptor)
                return Tracefs(root: root)
            }
            if errno != ENOENT { refusal = errno }
        }
        throw .notPermitted(reason(refusal))
    }

    private static func reason(_ number: Int32) -> String {
        switch number {
        case ENOENT:
            return unsafe access(mounts[0] + "/trace", F_OK) == 0
                ? "this kernel has no kprobe events (CONFIG_KPROBE_EVENTS is off), so that ftrace cannot record what an observation needs"
                : "tracefs is not mounted, or the kernel has none (CONFIG_FTRACE is off); try mount -t tracefs nodev \(mounts[0])"
        case EROFS: return "tracefs is mounted read-only; try mount -o remount,rw \(mounts[0])"
        case EACCES: return "this process may not write to tracefs (\(errorText(number))); run as root"
        case EPERM:
            return
                "the kernel refuses tracefs (\(errorText(number))): kernel lockdown in confidentiality mode, or a security module"
        default: return "tracefs cannot be used: \(errorText(number))"
        }
    }

    /// Makes an instance; `Leftovers` removes it.
    /// - Throws: with exit code 1.
    func makeInstance(_ name: String) throws(CaptureError) {
        guard unsafe mkdir("\(root)/instances/\(name)", 0o700) == 0 else {
            let reason =
                switch errno {
                case EEXIST: "there is one of that name already"
                case ENOMEM, ENOSPC, EMFILE: "\(errorText(errno)): the kernel permits no further instance"
                default: errorText(errno)
                }
            throw .failed("make the instance \(name) of ftrace", reason: reason)
        }
    }

    /// Writes one text to a file below the root; throws the kernel's reason.
    func write(_ text: String, to path: String, appending: Bool = false) throws(SystemError) {
        // Opening a file of definitions with O_TRUNC would remove all definitions, whoever made them.
        let descriptor = unsafe open("\(root)/\(path)", O_WRONLY | O_CLOEXEC | (appending ? O_APPEND : 0))
        guard descriptor >= 0 else { throw .last() }
        defer { close(descriptor) }
        var text = text
        // The bytes live over the call.
        let count = text.withUTF8 { unsafe Glibc.write(descriptor, $0.baseAddress, $0.count) }
        guard count >= 0 else { throw .last() }
    }

    /// Empties a file of recorded events; the kernel does this when the file is opened with O_TRUNC.
    func clear(_ path: String) throws(SystemError) {
        let descriptor = unsafe open("\(root)/\(path)", O_WRONLY | O_TRUNC | O_CLOEXEC)
        guard descriptor >= 0 else { throw .last() }
        close(descriptor)
    }

    func text(of path: String) -> String? { readText("\(root)/\(path)") }

    func bytes(of path: String) -> [UInt8]? { readFile("\(root)/\(path)") }

    func has(_ path: String) -> Bool { unsafe access("\(root)/\(path)", F_OK) == 0 }

    /// Names of the entries of a directory.
    func names(in directory: String) -> [String] {
        paths(matching: "\(root)/\(directory)/*").compactMap { $0.split(separator: "/").last.map(String.init) }
    }
}
