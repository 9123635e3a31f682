/// Work that waits for threads to end, which neither a task nor those threads may do.
package enum DetachedWork {
    /// Runs `body` on a new thread that nobody waits for.
    package static func run(_ body: @escaping @Sendable () -> Void) {
        guard let pool = try? WorkerPool(name: "stop", threads: 1, capacity: 1) else { return body() }
        pool.submit {
            body()
            withExtendedLifetime(pool) {}
        }
    }
}
