// SPDX-License-Identifier: Apache-2.0

// What /proc reports about tasks: whether a task exists, which process it belongs to, and whether it can be in a lookup.

internal import Events
internal import System

/// Files of /proc about tasks.
enum TaskFiles {
    /// The fields of /proc/…/stat after the name: the state first, the start time in clock ticks as the twentieth; empty
    /// when the file cannot be read.
    static func statFields(_ path: String) -> [Substring] {
        guard let text = readText(path), let end = text.lastIndex(of: ")") else { return [] }
        return text[text.index(after: end)...].split(separator: " ")
    }

    /// Whether a task can be inside get_futex_key(): it runs, or it waits for a page. False for a task that does not
    /// exist any more, that sleeps, or whose number now belongs to a task with another name.
    static func canLoop(_ task: TaskIdentity) -> Bool {
        guard let state = statFields("/proc/\(task.tid)/stat").first, let comm = readFile("/proc/\(task.tid)/comm")
        else { return false }
        let name = String(decoding: comm.prefix { $0 != UInt8(ascii: "\n") }, as: UTF8.self)
        return ["R", "D"].contains(state) && (name == task.comm.text || task.comm.text.contains("\n"))
    }

    /// Whether a thread does not exist any more.
    static func isGone(_ task: TaskIdentity) -> Bool { !OutputFile.exists("/proc/\(task.pid)/task/\(task.tid)") }

    /// The process that a thread belongs to; nil when there is no such thread.
    static func process(ofThread thread: UInt32) -> UInt32? {
        statusField("Tgid", of: String(thread)).flatMap { UInt32($0) }
    }
}
