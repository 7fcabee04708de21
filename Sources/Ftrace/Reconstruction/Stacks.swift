// SPDX-License-Identifier: Apache-2.0

// The stack behind a detach, frame by frame. In a text it ends where the kernel was entered, and it begins but once: what
// comes behind that belongs to another stack, and the lines between the two are missing.

import Events

extension Reconstruction {
    /// The detach to which the frames of the next lines belong.
    struct StackOwner {
        /// In the table of detaches.
        var place: Int
        /// The line at which the stack begins.
        var line: UInt64
        /// The functions of the first two frames and of the latest one.
        fileprivate var (first, second, function): (UInt64?, UInt64?, UInt64?)
        fileprivate var latest = FrameKind.function

        init(place: Int, line: UInt64) { (self.place, self.line) = (place, line) }

        fileprivate mutating func take(_ hash: UInt64) {
            if first == nil { first = hash } else if second == nil { second = hash }
            function = hash
        }

        /// The same two functions call each other as where it began. One alone may be a wrong name: trace-cmd knows few
        /// functions, and names an address after the last one that it knows.
        fileprivate func begins(with hash: UInt64) -> Bool {
            hash != 0 && hash == second && function == first && first != second
        }
    }

    /// What a frame shows about the stack itself.
    enum FrameKind {
        case function
        /// The entry from user space, or the start of a kernel thread.
        case entry
        /// A fault, which comes from user space or from another function of the kernel.
        case fault
        /// A probe has replaced this return address.
        case hidden
        /// Of user space, which perf prints behind those of the kernel.
        case user
    }

    /// Begins the stack of the detach that was the newest event, because perf prints a stack without a line of its own.
    /// False when the newest event was no detach.
    mutating func beginStackOfLatest(line: UInt64) -> Bool {
        guard let latestDetach, latestDetach.line + 1 == line else { return false }
        stackOwner = StackOwner(place: latestDetach.place, line: line)
        return true
    }

    /// One frame of a stack, by the hash of its function; ignored where the stack belongs to no detach.
    mutating func frame(_ hash: UInt64, _ kind: FrameKind, into sink: inout some EventSink) {
        guard var owner = stackOwner, var slot = detaches[owner.place], slot.line < owner.line else { return }
        guard !mayLackLines || !isOfAnother(hash, kind, owner) else {
            if slot.stack != .whole {
                slot.stack = .partial
                detaches[owner.place] = slot
            }
            lose(.ftraceBuffer, into: &sink)
            forget(into: &sink)
            stackOwner = nil
            return
        }
        owner.take(hash)
        let isBehindFault = owner.latest == .fault && kind != .user
        // What was interrupted by a fault may be a stack of its own.
        if !isBehindFault { owner.latest = kind }
        stackOwner = owner
        if mayLackLines, isBehindFault {
            slot.stack = .partial
            detaches[owner.place] = slot
            return
        }
        switch kind {
        case .hidden: slot.stack = .partial
        case .entry, .fault:
            // From here on the functions that were seen to be entered add nothing.
            if case .none = slot.stack { slot.stack = .whole }
        case .function: break
        case .user: return
        }
        let meaning = names.frame(hash)
        slot.stackLandmarks.formUnion(meaning.landmark)
        slot.cuts.formUnion(meaning.cuts)
        detaches[owner.place] = slot
    }

    /// Whether a frame shows that lines are missing before it: the stack had ended, or begins once more. The removal of
    /// a page does not lie within another one.
    private func isOfAnother(_ hash: UInt64, _ kind: FrameKind, _ owner: StackOwner) -> Bool {
        switch kind {
        // Of user space, or the other half of an entry: el0t_64_sync_handler and el0t_64_sync.
        case .user, .entry: false
        case .function, .fault, .hidden: owner.latest == .entry || owner.begins(with: hash)
        }
    }

    mutating func endStack() { stackOwner = nil }
}
