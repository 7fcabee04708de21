// SPDX-License-Identifier: Apache-2.0

// Threads of the system. They block every signal, so that signals are delivered to the threads that were there before.

internal import Glibc

/// A thread that ends when its closure returns.
@safe public struct Thread: Sendable {
    private let thread: pthread_t

    /// What a thread is given: C has no closures.
    private final class Task: Sendable {
        let run: @Sendable () -> Void

        init(_ run: @escaping @Sendable () -> Void) { self.run = run }
    }

    /// Starts it.
    /// - Throws: the error number where the system has no room for a further thread.
    public init(running run: @escaping @Sendable () -> Void) throws(SystemError) {
        // A thread starts with the mask of its parent, so no signal arrives before the mask.
        var (all, before) = (sigset_t(), sigset_t())
        unsafe sigfillset(&all)
        unsafe pthread_sigmask(SIG_SETMASK, &all, &before)
        defer { unsafe pthread_sigmask(SIG_SETMASK, &before, nil) }
        var thread = pthread_t()
        // The reference belongs to the thread, unless it does not start.
        let task = unsafe Unmanaged.passRetained(Task(run))
        let code = unsafe pthread_create(
            &thread, nil,
            { task in
                unsafe Unmanaged<Task>.fromOpaque(task!).takeRetainedValue().run()
                return nil
            }, task.toOpaque())
        guard code == 0 else {
            unsafe task.release()
            throw SystemError(number: code)
        }
        self.thread = thread
    }

    /// Waits until it has ended. Call it once.
    public func join() { _ = pthread_join(thread, nil) }
}
