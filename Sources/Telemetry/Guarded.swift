import Glibc

/// A value that only the holder of its lock can reach.
///
/// A pthread mutex and not `Synchronization.Mutex`, which locks by a system call that ThreadSanitizer can't see and so
/// reports races that aren't there.
///
/// `@unchecked Sendable` holds for any `Value`: it comes in as `sending`, so nobody else can reach it; afterwards the only
/// way to it is `withLock`, one thread at a time and with memory ordered by the mutex; and what goes in or out of the body
/// must again be `sending`, so no reference to its inside stays behind.
package final class Guarded<Value>: @unchecked Sendable {
    private let mutex: UnsafeMutablePointer<pthread_mutex_t>
    private var value: Value

    /// - Parameter value: what the lock guards from now on.
    package init(_ value: consuming sending Value) {
        self.value = value
        // On the heap: a mutex must keep its address, which a Swift property needn't.
        mutex = .allocate(capacity: 1)
        mutex.initialize(to: pthread_mutex_t())
        let status = pthread_mutex_init(mutex, nil)
        precondition(status == 0, "pthread_mutex_init failed with \(status)")
    }

    deinit {
        pthread_mutex_destroy(mutex)
        mutex.deinitialize(count: 1)
        mutex.deallocate()
    }

    /// Runs `body` alone with the value. Keep it short, call nothing foreign in it, and never lock the same value again
    /// inside: that waits for ever.
    package func withLock<Result: ~Copyable, Failure: Error>(
        _ body: (inout sending Value) throws(Failure) -> sending Result
    ) throws(Failure) -> sending Result {
        let locked = pthread_mutex_lock(mutex)
        precondition(locked == 0, "pthread_mutex_lock failed with \(locked)")
        defer { pthread_mutex_unlock(mutex) }
        return try body(&value)
    }
}
