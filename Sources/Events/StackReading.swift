// SPDX-License-Identifier: Apache-2.0

// What removed the mapping of a page, by the functions on the culprit's stack and the operation in progress. This is
// the only place where a stack is read: the correlator makes the cause from it, and the reader of ftrace texts decides
// with it what an incomplete stack still proves.

/// What one detach says of its operation.
public struct StackReading: Sendable, Equatable {
    /// Nil when it is none of the known operations.
    public var operation: ActivityKind?
    /// False when only the operation in progress is known, and not the stack.
    public var isExact: Bool

    public init(operation: ActivityKind?, isExact: Bool) { (self.operation, self.isExact) = (operation, isExact) }
}

extension Detach {
    /// By the hook that saw it, then by the landmarks in the order of their table, then by the operation in progress.
    /// Nil when none of them says anything.
    public var stackReading: StackReading? {
        func exact(_ operation: ActivityKind?) -> StackReading { StackReading(operation: operation, isExact: true) }
        switch via {
        case .swapOut: return exact(.swapOut)
        case .migration: return exact(.migration)
        case .pageCache: break
        }
        if let decided = landmarks.decided { return exact(decided) }
        if landmarks.isBlockDeviceTruncate { return exact(.blockZeroOut) }
        if landmarks.contains(.fallocate) {
            if let mode = fallocateMode { return exact(mode) }
            return hole == nil ? StackReading(operation: nil, isExact: false) : exact(.holePunch)
        }
        if landmarks.contains(.setSize) { return exact(.truncate) }
        if landmarks.contains(.split) { return exact(.split) }
        if !landmarks.isEmpty { return exact(nil) }
        if let scope { return StackReading(operation: scope, isExact: false) }
        return stackIsNamed ? exact(nil) : nil
    }

    /// The mode of fallocate(), where its entry was seen: all modes give the same stack.
    public var fallocateMode: ActivityKind? { scope == .holePunch || scope == .fallocateOther ? scope : nil }
}
