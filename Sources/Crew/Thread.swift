// SPDX-License-Identifier: Apache-2.0

// Threads of the system, a lock, and waiting under it. Signals stay with the threads that were there before.

internal import Glibc

/// A thread that runs until it has nothing more to do.
@safe struct Thread: Sendable {
    private let thread: pthread_t

    /// What a thread is given: C knows of no closures.
    private final class Task: Sendable {
        let run: @Sendable () -> Void

        init(_ run: @escaping @Sendable () -> Void) { self.run = run }
    }

    /// Nil where the system has no room for a further one.
    init?(running run: @escaping @Sendable () -> Void) {
        // A thread is born with the mask of its parent, so no signal comes before the mask.
        var (all, before) = (sigset_t(), sigset_t())
        unsafe sigfillset(&all)
        unsafe pthread_sigmask(SIG_SETMASK, &all, &before)
        defer { unsafe pthread_sigmask(SIG_SETMASK, &before, nil) }
        var thread = pthread_t()
        // The reference is the thread's, unless it does not begin.
        let task = unsafe Unmanaged.passRetained(Task(run))
        let code = unsafe pthread_create(
            &thread, nil,
            { task in
                unsafe Unmanaged<Task>.fromOpaque(task!).takeRetainedValue().run()
                return nil
            }, task.toOpaque())
        guard code == 0 else {
            unsafe task.release()
            return nil
        }
        self.thread = thread
    }

    /// Waits for its end; once.
    func join() { _ = pthread_join(thread, nil) }
}

/// A lock and two rooms to wait in, which are left one by one.
@safe final class Monitor: @unchecked Sendable {
    enum Room { case caller, threads }

    // The system knows them by their address.
    private let mutex: UnsafeMutablePointer<pthread_mutex_t>
    private let caller: UnsafeMutablePointer<pthread_cond_t>
    private let threads: UnsafeMutablePointer<pthread_cond_t>

    init() {
        unsafe mutex = .allocate(capacity: 1)
        unsafe caller = .allocate(capacity: 1)
        unsafe threads = .allocate(capacity: 1)
        unsafe mutex.initialize(to: pthread_mutex_t())
        unsafe caller.initialize(to: pthread_cond_t())
        unsafe threads.initialize(to: pthread_cond_t())
        unsafe pthread_mutex_init(mutex, nil)
        unsafe pthread_cond_init(caller, nil)
        unsafe pthread_cond_init(threads, nil)
    }

    deinit {
        unsafe pthread_cond_destroy(threads)
        unsafe pthread_cond_destroy(caller)
        unsafe pthread_mutex_destroy(mutex)
        unsafe threads.deallocate()
        unsafe caller.deallocate()
        unsafe mutex.deallocate()
    }

    func lock() { unsafe pthread_mutex_lock(mutex) }

    func unlock() { unsafe pthread_mutex_unlock(mutex) }

    /// Gives up the lock until somebody wakes this room, or for no reason.
    func wait(in room: Room) { unsafe pthread_cond_wait(condition(room), mutex) }

    /// Wakes who waits longest, if anybody does.
    func wake(_ room: Room) { unsafe pthread_cond_signal(condition(room)) }

    func wakeAll(_ room: Room) { unsafe pthread_cond_broadcast(condition(room)) }

    private func condition(_ room: Room) -> UnsafeMutablePointer<pthread_cond_t> {
        switch room {
        case .caller: unsafe caller
        case .threads: unsafe threads
        }
    }
}
