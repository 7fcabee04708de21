// SPDX-License-Identifier: Apache-2.0

// A lock, and two conditions to wait for under it.

internal import Glibc

/// A lock with one condition for the caller and one for the threads.
@safe final class Monitor: @unchecked Sendable {
    enum Waiter { case caller, thread }

    // The system identifies them by their address.
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

    /// Releases the lock until this kind of waiter is woken; may also return without a reason.
    func wait(as waiter: Waiter) { unsafe pthread_cond_wait(condition(waiter), mutex) }

    /// Wakes one of the waiters, if there is any.
    func wake(_ waiter: Waiter) { unsafe pthread_cond_signal(condition(waiter)) }

    func wakeAll(_ waiter: Waiter) { unsafe pthread_cond_broadcast(condition(waiter)) }

    private func condition(_ waiter: Waiter) -> UnsafeMutablePointer<pthread_cond_t> {
        switch waiter {
        case .caller: unsafe caller
        case .thread: unsafe threads
        }
    }
}
