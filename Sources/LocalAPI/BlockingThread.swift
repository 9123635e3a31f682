package import EventThread

/// Runs work that blocks on a thread made for it, so that Swift's few pool threads stay free.
package enum BlockingThread {
    /// Runs `work` on a new thread and waits for its result without blocking a thread of the pool.
    ///
    /// - Throws: what `work` throws, or `EventThreadError` when the system has no thread left.
    package static func run<Value: Sendable>(
        name: String = "blocking", _ work: @escaping @Sendable () throws -> Value
    ) async throws -> Value {
        try await withCheckedThrowingContinuation { continuation in
            do throws(EventThreadError) {
                try start(name: name) { continuation.resume(with: Result(catching: work)) }
            } catch {
                continuation.resume(throwing: error)
            }
        }
    }

    /// Runs `work` on a new thread, which ends with it. Returns at once.
    package static func start(name: String, _ work: @escaping @Sendable () -> Void) throws(EventThreadError) {
        let pool = try WorkerPool(name: name, threads: 1, capacity: 1)
        // The work holds the pool and the pool the work, until it ran: then the last reference goes, on the pool's own thread.
        let accepted = pool.submit {
            work()
            pool.stop()
        }
        precondition(accepted, "a new pool has room for one")
    }
}
