// SPDX-License-Identifier: Apache-2.0

// Which operation on futexes asked for a lookup, from the arguments of the system call: what a failure means for a
// program depends on it. The plain commands and those with a set of bits, a clock or a newer system call are one word.

/// An operation. Numbers are those of `enum fs_operation`. Part of the recording format; see `RecordedWord`.
public enum FutexOperation: UInt8, NumberedWord {
    case wait = 1
    case wake = 2
    case requeue = 3
    case compareAndRequeue = 4
    case wakeOperation = 5
    case lockPI = 6
    case unlockPI = 7
    case tryLockPI = 8
    case waitRequeuePI = 9
    case compareAndRequeuePI = 10
    case waitVector = 11
    /// The kernel unlocks a robust mutex of a thread that ended.
    case exitRobust = 12
    /// The kernel wakes the task that waits for the end of a thread (set_tid_address).
    case exitThread = 13
    /// Any of io_uring's.
    case ioUring = 14

    public var name: String {
        switch self {
        case .wait: "wait"
        case .wake: "wake"
        case .requeue: "requeue"
        case .compareAndRequeue: "cmp-requeue"
        case .wakeOperation: "wake-op"
        case .lockPI: "lock-pi"
        case .unlockPI: "unlock-pi"
        case .tryLockPI: "trylock-pi"
        case .waitRequeuePI: "wait-requeue-pi"
        case .compareAndRequeuePI: "cmp-requeue-pi"
        case .waitVector: "waitv"
        case .exitRobust: "exit-robust"
        case .exitThread: "exit-thread"
        case .ioUring: "io-uring"
        }
    }

    public var format: Int { 3 }
}
