import Glibc

/// A value that one thread sets and another waits for.
///
/// `@unchecked Sendable`: `value` is touched only between `lock` and `unlock` of `mutex`, whose heap memory is made in init
/// and freed in deinit, when nobody else holds a reference.
final class AwaitedValue<Value: Sendable>: @unchecked Sendable {
    private let mutex = UnsafeMutablePointer<pthread_mutex_t>.allocate(capacity: 1)
    private let changed = UnsafeMutablePointer<pthread_cond_t>.allocate(capacity: 1)
    private var value: Value?

    init() {
        mutex.initialize(to: pthread_mutex_t())
        changed.initialize(to: pthread_cond_t())
        var attributes = pthread_condattr_t()
        let status =
            pthread_mutex_init(mutex, nil) | pthread_condattr_init(&attributes)
            | pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC) | pthread_cond_init(changed, &attributes)
        precondition(status == 0, "pthread_mutex_init or pthread_cond_init failed")
        pthread_condattr_destroy(&attributes)
    }

    deinit {
        pthread_cond_destroy(changed)
        pthread_mutex_destroy(mutex)
        changed.deallocate()
        mutex.deallocate()
    }

    func set(_ value: Value) {
        lock()
        self.value = value
        pthread_cond_signal(changed)
        unlock()
    }

    /// Blocks until the value is there; nil when `deadline`, nanoseconds on MonotonicClock, comes first.
    func wait(until deadline: UInt64) -> Value? {
        var end = timespec(tv_sec: Int(deadline / 1_000_000_000), tv_nsec: Int(deadline % 1_000_000_000))
        lock()
        defer { unlock() }
        while value == nil {
            if pthread_cond_timedwait(changed, mutex, &end) == ETIMEDOUT { break }
        }
        return value
    }

    private func lock() {
        let status = pthread_mutex_lock(mutex)
        precondition(status == 0, "pthread_mutex_lock failed with \(status)")
    }

    private func unlock() { pthread_mutex_unlock(mutex) }
}
