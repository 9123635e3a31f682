import Glibc

/// A bounded queue whose readers wait for work.
///
/// `@unchecked Sendable`: `ring` and `isClosed` are touched only between `lock` and `unlock` of `mutex`, whose heap memory is
/// made in init and freed in deinit, when nobody else holds a reference.
final class WorkQueue: @unchecked Sendable {
    private let mutex = UnsafeMutablePointer<pthread_mutex_t>.allocate(capacity: 1)
    private let changed = UnsafeMutablePointer<pthread_cond_t>.allocate(capacity: 1)
    private var ring: Ring<@Sendable () -> Void>
    private var isClosed = false

    init(capacity: Int) {
        ring = Ring(capacity: capacity)
        mutex.initialize(to: pthread_mutex_t())
        changed.initialize(to: pthread_cond_t())
        let status = pthread_mutex_init(mutex, nil) | pthread_cond_init(changed, nil)
        precondition(status == 0, "pthread_mutex_init or pthread_cond_init failed")
    }

    deinit {
        pthread_cond_destroy(changed)
        pthread_mutex_destroy(mutex)
        changed.deallocate()
        mutex.deallocate()
    }

    func append(_ work: @escaping @Sendable () -> Void) -> Mailbox.Answer {
        lock()
        defer { unlock() }
        guard !isClosed else { return .closed }
        guard ring.append(work) else { return .full }
        pthread_cond_signal(changed)
        return .accepted
    }

    func close() {
        lock()
        isClosed = true
        pthread_cond_broadcast(changed)
        unlock()
    }

    /// Runs work until the queue is closed and empty.
    func work() {
        while let next = waitForNext() { next() }
    }

    private func waitForNext() -> (@Sendable () -> Void)? {
        lock()
        defer { unlock() }
        while ring.isEmpty && !isClosed { pthread_cond_wait(changed, mutex) }
        return ring.popFirst()
    }

    private func lock() {
        let status = pthread_mutex_lock(mutex)
        precondition(status == 0, "pthread_mutex_lock failed with \(status)")
    }

    private func unlock() { pthread_mutex_unlock(mutex) }
}
