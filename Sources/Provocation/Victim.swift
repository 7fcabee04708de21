// SPDX-License-Identifier: Apache-2.0

// The task whose futex calls are observed. It maps what the scenario says; then it touches the word, so that the page
// is mapped again, and calls FUTEX_WAKE on it, until the end of the run. It counts the results of the calls and does not
// know what the culprit does.

internal import Glibc

struct Victim: ~Copyable {
    private let board: Scoreboard
    private let words: [FutexWord]
    private let touches: Touch
    private let stride: Int
    private let releases: Bool
    /// Where every operation fails, they take turns; else it is FUTEX_WAKE.
    private let operations: [Syscalls.Operation]
    // Owned while the words are used; nobody owns the vDSO.
    private let memory: Mapping?
    private var cursor = 0

    private enum Touch { case none, read, write }

    init(_ scenario: Scenario, path: String, board: Scoreboard) throws(SyscallError) {
        self.board = board
        switch scenario.footing {
        case .failing(let place):
            var page = try place.map(path: path)
            words = [FutexWord(address: page.address)]
            memory = page.memory.take()
            (operations, touches, stride, releases) = (place.operations, .none, 0, false)
        case .zeroPage:
            let page = try Mapping(anonymous: Mapping.pageBytes, .readOnly)
            words = [FutexWord(address: page.address())]
            memory = consume page
            (operations, touches, stride, releases) = ([], .read, 0, false)
        case .specialPages:
            let page = Self.mapDriverPage(board)
            let addresses = [Syscalls.vdso, page?.address() ?? 0]
            guard addresses.contains(where: { $0 != 0 }) else {
                throw SyscallError(action: "find a page without a mapping", subject: "", number: ENODEV)
            }
            words = addresses.filter { $0 != 0 }.map { FutexWord(address: $0) }
            memory = consume page
            (operations, touches, stride, releases) = ([], .none, 0, false)
        case .file(let access, let stride, let releases):
            let file = try Descriptor(opening: path, flags: access == .readOnly ? O_RDONLY : O_RDWR)
            let page = try Mapping(file, bytes: scenario.fileBytes, access)
            words = [FutexWord(address: page.address())]
            memory = consume page
            operations = []
            (touches, self.stride, self.releases) = (access == .readOnly ? .read : .write, stride, releases)
        }
        board[.victimAddress] = words[0].address
    }

    private static func mapDriverPage(_ board: Scoreboard) -> Mapping? {
        for (index, kind) in DriverPage.allCases.enumerated() {
            guard let driver = try? kind.open(),
                let page = try? Mapping(driver, bytes: Mapping.pageBytes, .readWrite)
            else { continue }
            board[.driverPage] = index + 1
            return page
        }
        return nil
    }

    /// Calls until `calls` are made, the time is over (0: no such limit) or the run stops.
    mutating func run(calls: Int, durationNs: Int64) {
        // Once before the clock starts, so that the page exists when the culprit starts.
        touch(words[0])
        board[.victimReady] = 1
        guard board.wait(for: .go) else { return }
        let start = Syscalls.now
        board[.startedNs] = Int(start)
        var made = 0
        while board[.stop] == 0, calls == 0 || made < calls {
            // The clock is read every 16 calls only: time outside the call is time without observations.
            if durationNs > 0, made % 16 == 0, Syscalls.now - start >= durationNs { break }
            step(made)
            made += 1
        }
        board[.endedNs] = Int(Syscalls.now)
        // Before this task ends, so that the culprit does not operate on a task that has gone.
        board[.stop] = 1
    }

    private mutating func step(_ made: Int) {
        if stride > 0 { follow(board[.cursor]) }
        let word = FutexWord(address: words[made % words.count].address + cursor * stride)
        touch(word)
        let before = board[.truncations]
        let number = operations.isEmpty ? word.wake() : word.operate(operations[made % operations.count])
        // The same odd number on both sides: the file was too short all the time.
        let beyondEnd = before & 1 == 1 && board[.truncations] == before
        count(number, beyondEnd: beyondEnd)
        if releases { try? memory?.release() }
    }

    /// Moves to the pages that the culprit has prepared, and unmaps the old ones.
    private mutating func follow(_ next: Int) {
        guard next != cursor else { return }
        cursor = next
        try? memory?.release()
    }

    private func touch(_ word: FutexWord) {
        guard touches != .none else { return }
        // A touch that raises SIGBUS is the work of the culprit; the call that follows shows it.
        _ = word.touch(writes: touches == .write)
    }

    private func count(_ number: Int32, beyondEnd: Bool) {
        switch number {
        case 0: board[.succeeded] += 1
        case EFAULT:
            board[.efault] += 1
            if beyondEnd { board[.efaultBeyondEnd] += 1 }
        default:
            board[.otherErrors] += 1
            board[.lastError] = Int(number)
        }
        // Last, so that the parts exceed the sum by at most the call that is being counted.
        board[.calls] += 1
    }
}
