// SPDX-License-Identifier: Apache-2.0

// The stack behind a detach, frame by frame: " => __filemap_remove_folio", " => filemap_remove_folio" and so on, up to
// " => entry_SYSCALL_64_after_hwframe". A frame behind that entry, or the first two functions once more, belong to
// another stack, and in a text the lines between the two are missing.

import Events

extension Reconstruction {
    /// The detach to which the frames of the next lines belong.
    struct StackOwner {
        /// In the table of detaches.
        var place: Int
        /// The line at which the stack begins.
        var line: UInt64
        /// The hashes of the functions of the first two frames and of the latest one.
        fileprivate var (first, second, function): (UInt64?, UInt64?, UInt64?)
        fileprivate var latest = FrameKind.function

        init(place: Int, line: UInt64) { (self.place, self.line) = (place, line) }

        fileprivate mutating func take(_ hash: UInt64) {
            if first == nil { first = hash } else if second == nil { second = hash }
            function = hash
        }

        /// Whether this frame and the latest one are the first two frames once more, so that another stack has begun.
        /// One equal name is no proof: trace-cmd knows few functions, and gives an address the name of the nearest
        /// function before it that it knows.
        fileprivate func begins(with hash: UInt64) -> Bool {
            hash != 0 && hash == second && function == first && first != second
        }
    }

    /// The part that a frame has in its stack.
    enum FrameKind {
        case function
        /// The entry from user space, or the start of a kernel thread.
        case entry
        /// A fault, which comes from user space or from another function of the kernel.
        case fault
        /// A probe has replaced this return address.
        case hidden
        /// A function of user space. perf prints these behind those of the kernel.
        case user
    }

    /// Begins the stack of the newest event, which must be a detach in the line before; else false. This is for perf,
    /// which prints a stack without a first line "<stack trace>".
    mutating func beginStackOfLatest(line: UInt64) -> Bool {
        guard let latestDetach, latestDetach.line + 1 == line else { return false }
        stackOwner = StackOwner(place: latestDetach.place, line: line)
        return true
    }

    /// Takes one frame, by the hash of its function. It is ignored where the stack belongs to no detach.
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
        // The frames behind a fault are those of the code that faulted, such as another function of the kernel.
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
            // The stack has all functions up to the entry into the kernel.
            if case .none = slot.stack { slot.stack = .whole }
        case .function: break
        case .user: return
        }
        let meaning = names.frame(hash)
        slot.stackLandmarks.formUnion(meaning.landmark)
        slot.cuts.formUnion(meaning.cuts)
        detaches[owner.place] = slot
    }

    /// Whether a frame belongs to another stack, so that lines are missing before it: the stack had ended, or its first
    /// functions are there once more. (The removal of a page never calls itself.)
    private func isOfAnother(_ hash: UInt64, _ kind: FrameKind, _ owner: StackOwner) -> Bool {
        switch kind {
        // User space follows an entry, and so does a second function of the entry: el0t_64_sync_handler, el0t_64_sync.
        case .user, .entry: false
        case .function, .fault, .hidden: owner.latest == .entry || owner.begins(with: hash)
        }
    }

    mutating func endStack() { stackOwner = nil }
}
