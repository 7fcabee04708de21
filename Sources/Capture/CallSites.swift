// SPDX-License-Identifier: Apache-2.0
// The instructions of get_futex_key() that a probe can stand on, from the function's bytes alone. Found by
// walking its instructions; checked by what can follow each call of the unlock. A function that is not
// understood to the last byte, or that does something else after the unlock than today's get_futex_key(), has
// no such sites: hooks on whole functions work on every kernel, so there is no need to guess.

/// The code of one function of the running kernel.
struct FunctionCode: Sendable {
    enum Architecture: Sendable { case x86, arm64 }

    var architecture: Architecture
    /// Of the first byte.
    var address: UInt64
    var bytes: [UInt8]

    #if arch(arm64)
        static let native = Architecture.arm64
    #else
        static let native = Architecture.x86
    #endif

    /// All instructions in order. Where another probe's breakpoint stands on a call to one of `known`, the
    /// displacement behind it still shows the call; two programs that look at memory areas there are in each
    /// other's way.
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
                throw CallSites.Unusable("another probe stands at +0x\(String(offset, radix: 16))")
            }
            all.append(next)
            offset += next.length
        }
        return all
    }
}

/// One instruction, as far as the flow of control goes.
struct Instruction: Sendable, Equatable {
    enum Flow: Sendable, Equatable {
        case onward
        case call(UInt64)
        case jump(UInt64)
        /// To there, or onward.
        case branch(UInt64)
        case `return`
        /// An indirect jump or a trap: where it goes on is not known.
        case end
        /// A breakpoint: padding, or somebody's probe in place of an instruction.
        case breakpoint
    }

    /// From the function's start.
    var offset: Int
    var length: Int
    var flow: Flow
    /// Puts -EFAULT into a register.
    var loadsFault = false
}

/// Instructions of get_futex_key(), as offsets from its start, each list in order.
struct CallSites: Sendable, Equatable {
    /// Why there are none to use; one clause about the function.
    struct Unusable: Error, Sendable, Equatable {
        var reason: String
        init(_ reason: String) { self.reason = reason }
    }

    /// What the function's calls are compared with.
    struct Targets: Sendable {
        var unlocks: [UInt64]
        var pins: [UInt64]
        var lockWaits: [UInt64] = []
        /// Where a compiler's jump takes the place of a return.
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
    /// Why a whole lookup cannot be followed from these instructions; nil when it can.
    let obstacle: String?

    /// Looks at the code of `get_futex_key()`.
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
        obstacle =
            leaves.map { "it jumps to another function at +0x\(String($0, radix: 16))" }
            ?? (pins.isEmpty ? "it calls no pin of a page" : returns.isEmpty ? "it never returns" : nil)
        guard !sites.isEmpty else { throw Unusable("it calls no unlock of a page") }
        if code.architecture == .x86 {
            // Any other place with such bytes would be a call that the walk has passed over.
            let places = code.bytes.indices.filter {
                $0 + 5 <= code.bytes.count && (code.bytes[$0] == 0xe8 || code.bytes[$0] == 0xe9)
                    && isUnlock(Instruction.target32(code.bytes[$0...], from: code.address))
            }
            guard Set(places).isSubset(of: unlocks) else { throw Unusable("its calls cannot be distinguished") }
        }
        let graph = FlowGraph(instructions: instructions, code: code, targets: targets)
        let ways = sites.map { graph.ways(after: $0) }
        guard ways.contains(where: \.givesUp) else {
            throw Unusable("it never gives up with -EFAULT after the unlock: its rule is not today's")
        }
        guard ways.contains(where: \.goesBack) else {
            throw Unusable("it never goes back after the unlock: its rule is not today's")
        }
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

    /// Whether a return of -EFAULT, and whether another pin, can follow without the other.
    func ways(after site: Int) -> (givesUp: Bool, goesBack: Bool) {
        var (givesUp, goesBack) = (false, false)
        // Each place at most twice: with and without the error on the way.
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
