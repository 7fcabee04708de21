// SPDX-License-Identifier: Apache-2.0

// The pages that memory failure has taken from the host. They are returned with the end of their object where the
// kernel can do that (the module hwpoison_inject, debugfs mounted); otherwise they are lost until the next boot, and so
// the scenario limits their number.

internal import Glibc

final class PoisonedPages {
    private let mapping: Mapping
    private let board: Scoreboard
    private var frames: [UInt64] = []

    private static let control = "/sys/kernel/debug/hwpoison/unpoison-pfn"

    /// `mapping` is one page of a clean file, of which each poisoning takes a copy.
    init(_ mapping: consuming Mapping, _ board: Scoreboard) {
        self.mapping = mapping
        self.board = board
    }

    /// Poisons the page that is in the file's cache now.
    func poisonNext() throws(SyscallError) {
        _ = FutexWord(address: mapping.address()).touch(writes: false)
        let frame = Host.frame(at: mapping.address())
        do { try mapping.poison(at: 0) } catch {
            // The page is poisoned and out of its file; a reference to it is left, such as that of a futex call.
            guard error.number == EBUSY else { throw error }
        }
        if let frame { frames.append(frame) }
    }

    // At the end, because the kernel refuses a page that a futex call still holds.
    deinit {
        guard let control = try? Descriptor(opening: Self.control, flags: O_WRONLY) else { return }
        for frame in frames where (try? control.write(text: "\(frame)")) != nil { board[.released] += 1 }
    }

    static func note(poisoned: Int, released: Int) -> String {
        if released >= poisoned { return "all \(poisoned) poisoned pages were returned to the kernel" }
        return "\(poisoned - released) of \(poisoned) poisoned pages of 4 KiB are lost until the next boot"
            + (released == 0 ? " (with modprobe hwpoison_inject and debugfs they would be returned)" : "")
    }
}
