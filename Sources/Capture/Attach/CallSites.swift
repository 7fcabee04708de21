// SPDX-License-Identifier: Apache-2.0
// The instructions of get_futex_key() to which a probe can be attached, from the function's bytes alone. They are found
// by decoding its instructions, and checked by what can follow each call of the unlock. A function that is not decoded
// to the last byte, or that does something else after the unlock than today's get_futex_key(), has no such sites: hooks
// on whole functions work on every kernel, so there is no need to guess.

/// The code of one function of the running kernel.
struct FunctionCode: Sendable {
    enum Architecture: Sendable { case x86, arm64 }

    var architecture: Architecture
    /// The address of the first byte.
    var address: UInt64
    var bytes: [UInt8]

    #if arch(arm64)
        static let native = Architecture.arm64
    #else
        static let native = Architecture.x86
    #endif

    /// Whether a branch of x86 asks for this condition: 4 is equal, 5 is not equal.
    func isBranch(_ instruction: Instruction, on condition: UInt8) -> Bool {
        let code = bytes[instruction.offset]
        return architecture == .x86 && (code == 0x0f ? bytes[instruction.offset + 1] : code) & 0xf == condition
    }

    /// All instructions in order. Where the breakpoint of another probe is on a call to one of `known`, the
    /// displacement after it still shows the call. Two programs that read memory areas at one call disturb each other.
    func instructions(known: [UInt64]) throws(CallSites.Unusable) -> [Instruction] {
        var all: [Instruction] = []
        var offset = 0
        while offset < bytes.count {
            let next: Instruction? =
                switch architecture {
                case .x86: Instruction(x86: bytes[offset...], base: address)
                case .arm64: Instruction(arm64: bytes[offset...], base: address)
                }
            guard let next else {
                throw CallSites.Unusable("its code is not understood at +0x\(String(offset, radix: 16))")
            }
            if next.flow == .breakpoint, bytes.count - offset >= 5,
                case let target = Instruction.target32(bytes[offset...], from: address),
                CallSites.isCall(to: known, target, architecture)
            {
                throw CallSites.Unusable("another probe is at +0x\(String(offset, radix: 16))")
            }
            all.append(next)
            offset += next.length
        }
        return all
    }
}

/// One instruction, as far as control flow needs it.
struct Instruction: Sendable, Equatable {
    enum Flow: Sendable, Equatable {
        case onward
        case call(UInt64)
        case jump(UInt64)
        /// Continues at the target, or at the next instruction.
        case branch(UInt64)
        case `return`
        /// An indirect jump or a trap: where execution continues is not known.
        case end
        /// A breakpoint: padding, or a probe of another program in place of an instruction.
        case breakpoint
    }

    /// Offset from the function's start.
    var offset: Int
    var length: Int
    var flow: Flow
    /// Puts -EFAULT into a register.
    var loadsFault = false
    /// Compares what a call has returned with -EFAULT.
    var comparesFault = false
    /// Compares a register with zero.
    var tests: RegisterTest?

    /// A register whose value the function keeps across its calls, by its place in `moment.kept` of bpf/syscall.h, and
    /// the bits of it that are tested.
    struct RegisterTest: Sendable, Equatable {
        var register: Int
        var mask: UInt64
    }
}

/// Instructions of get_futex_key(), as offsets from its start, each list in order.
struct CallSites: Sendable, Equatable {
    /// Why the sites cannot be used; one clause about the function.
    struct Unusable: Error, Sendable, Equatable {
        var reason: String
        init(_ reason: String) { self.reason = reason }
    }

    /// The addresses with which the function's calls are compared.
    struct Targets: Sendable {
        var unlocks: [UInt64]
        var pins: [UInt64]
        var lockWaits: [UInt64] = []
        /// The functions to which a compiler jumps in place of a return.
        var returns: [UInt64]
    }

    /// Calls of the page's unlock: an observation.
    let unlocks: [Int]
    /// Calls of the pin, and the instructions after them.
    let pins: [Int]
    let pinned: [Int]
    /// Calls that wait for the page's lock.
    let lockWaits: [Int]
    /// Instructions that return from the function.
    let returns: [Int]
    /// Instructions that only a lookup whose first pin has failed with -EFAULT reaches; nil where they are not
    /// recognised.
    let fault: Fault?
    /// Why a whole lookup cannot be followed from these instructions; nil when it can.
    let obstacle: String?

    /// Instructions after the first pin has failed with -EFAULT.
    struct Fault: Sendable, Equatable {
        /// The decision whether the second pin, for reading, is tried.
        var decision: Int
        /// Read access suffices where this register is not zero.
        var reads: Instruction.RegisterTest
        var secondPin: Int
        var secondPinned: Int
    }

    /// Finds the instructions in the code of `get_futex_key()`.
    init(in code: FunctionCode, targets: Targets) throws(Unusable) {
        let instructions = try code.instructions(known: targets.unlocks)
        func isUnlock(_ address: UInt64) -> Bool { Self.isCall(to: targets.unlocks, address, code.architecture) }
        var (sites, pins, lockWaits, returns): ([Int], [Int], [Int], [Int]) = ([], [], [], [])
        var leaves: Int?
        let extent = code.address..<code.address + UInt64(code.bytes.count)
        for (position, instruction) in instructions.enumerated() {
            switch instruction.flow {
            case .call(let target) where isUnlock(target), .jump(let target) where isUnlock(target):
                sites.append(position)
            case .call(let target) where Self.isCall(to: targets.pins, target, code.architecture):
                pins.append(position)
            case .call(let target) where Self.isCall(to: targets.lockWaits, target, code.architecture):
                lockWaits.append(position)
            case .jump(let target) where targets.returns.contains(target): returns.append(position)
            case .return: returns.append(position)
            case .jump(let target) where !extent.contains(target), .branch(let target) where !extent.contains(target):
                leaves = leaves ?? instruction.offset
            default: break
            }
        }
        unlocks = sites.map { instructions[$0].offset }
        self.pins = pins.map { instructions[$0].offset }
        pinned = pins.map { instructions[$0].offset + instructions[$0].length }
        self.lockWaits = lockWaits.map { instructions[$0].offset }
        self.returns = returns.map { instructions[$0].offset }
        fault = Self.fault(between: pins, of: instructions, in: code)
        obstacle =
            leaves.map { "it jumps to another function at +0x\(String($0, radix: 16))" }
            ?? (pins.isEmpty ? "it calls no pin of a page" : returns.isEmpty ? "it never returns" : nil)
        guard !sites.isEmpty else { throw Unusable("it calls no unlock of a page") }
        if code.architecture == .x86 {
            // Any other place with such bytes would be a call that the decoding has missed.
            let places = code.bytes.indices.filter {
                $0 + 5 <= code.bytes.count && (code.bytes[$0] == 0xe8 || code.bytes[$0] == 0xe9)
                    && isUnlock(Instruction.target32(code.bytes[$0...], from: code.address))
            }
            guard Set(places).isSubset(of: unlocks) else { throw Unusable("its calls cannot be distinguished") }
        }
        let graph = FlowGraph(instructions: instructions, code: code, targets: targets)
        let ways = sites.map { graph.ways(after: $0) }
        guard ways.contains(where: \.givesUp) else {
            throw Unusable("it never returns -EFAULT after the unlock: its rule is not today's")
        }
        guard ways.contains(where: \.goesBack) else {
            throw Unusable("it never retries after the unlock: its rule is not today's")
        }
    }

    /// Compilers give it this shape on x86: the first pin, a comparison with -EFAULT, a branch, a test of a kept
    /// register, a branch to the same place, then the second pin. No other code leads into the middle of it.
    private static func fault(between pins: [Int], of instructions: [Instruction], in code: FunctionCode) -> Fault? {
        guard pins.count == 2, pins[1] - pins[0] > 4, instructions.indices.contains(pins[1] + 1) else { return nil }
        let (comparison, decision) = (instructions[pins[0] + 1], instructions[pins[0] + 3])
        guard comparison.comparesFault, let reads = decision.tests,
            case .branch(let other) = instructions[pins[0] + 2].flow, code.isBranch(instructions[pins[0] + 2], on: 5),
            case .branch(other) = instructions[pins[0] + 4].flow, code.isBranch(instructions[pins[0] + 4], on: 4),
            instructions[(pins[0] + 5)..<pins[1]].allSatisfy({ $0.flow == .onward })
        else { return nil }
        let after = instructions[pins[1] + 1].offset
        let inside = code.address + UInt64(decision.offset)...code.address + UInt64(after)
        let isEntered = instructions.contains { instruction in
            switch instruction.flow {
            case .jump(let target), .branch(let target), .call(let target): inside.contains(target)
            case .onward, .return, .end, .breakpoint: false
            }
        }
        guard !isEntered else { return nil }
        return Fault(
            decision: decision.offset, reads: reads, secondPin: instructions[pins[1]].offset, secondPinned: after)
    }

    /// Whether a call goes to one of the functions. A call may go a few bytes ahead of a function, where
    /// accounting for return predictors lies, or past the landing pad that only indirect calls need.
    static func isCall(to functions: [UInt64], _ target: UInt64, _ architecture: FunctionCode.Architecture) -> Bool {
        functions.contains { function in
            if target == function { return true }
            guard architecture == .x86 else { return false }
            return target == function &+ 4 || (target < function && function - target < 16)
        }
    }
}

/// What can follow an instruction.
private struct FlowGraph {
    let instructions: [Instruction]
    let code: FunctionCode
    let targets: CallSites.Targets
    private let positions: [Int: Int]

    init(instructions: [Instruction], code: FunctionCode, targets: CallSites.Targets) {
        (self.instructions, self.code, self.targets) = (instructions, code, targets)
        positions = Dictionary(uniqueKeysWithValues: instructions.enumerated().map { ($1.offset, $0) })
    }

    /// Whether a return of -EFAULT, and whether another pin, can follow, each without the other.
    func ways(after site: Int) -> (givesUp: Bool, goesBack: Bool) {
        var (givesUp, goesBack) = (false, false)
        // Each place is visited at most twice: with and without the error loaded.
        var seen: Set<Int> = []
        var open: [(position: Int, hasFault: Bool)] = [(site + 1, false)]
        func go(to address: UInt64, _ hasFault: Bool) {
            if targets.returns.contains(address) {
                givesUp = givesUp || hasFault
            } else if CallSites.isCall(to: targets.pins, address, code.architecture) {
                goesBack = true
            } else if address >= code.address, let position = positions[Int(clamping: address - code.address)] {
                open.append((position, hasFault))
            }
        }
        while let (position, fault) = open.popLast() {
            guard instructions.indices.contains(position), seen.insert(position << 1 | (fault ? 1 : 0)).inserted
            else { continue }
            let instruction = instructions[position]
            let hasFault = fault || instruction.loadsFault
            switch instruction.flow {
            case .onward: open.append((position + 1, hasFault))
            case .call(let target):
                if CallSites.isCall(to: targets.pins, target, code.architecture) {
                    goesBack = true
                } else {
                    open.append((position + 1, hasFault))
                }
            case .jump(let target): go(to: target, hasFault)
            case .branch(let target):
                go(to: target, hasFault)
                open.append((position + 1, hasFault))
            case .return: givesUp = givesUp || hasFault
            case .end, .breakpoint: break
            }
        }
        return (givesUp, goesBack)
    }
}
