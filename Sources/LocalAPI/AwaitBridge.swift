import EventThread

/// Waits on a thread of our own for what tasks do: for request handlers, which may block.
package enum AwaitBridge {
    /// How often a waiting thread asks whether to cancel, nanoseconds.
    private static let cancellationCheck: UInt64 = 100_000_000

    /// Runs `work` as a task and blocks the calling thread until it is done, asking now and then whether to cancel it.
    ///
    /// Needs no descriptor, so that a process without any left still answers. Never call it from a task: it would hold a
    /// thread of Swift's pool.
    package static func wait<Value: Sendable>(
        isCancelled: () -> Bool = { false }, _ work: @escaping @Sendable () async -> Value
    ) -> Value {
        let result = AwaitedValue<Value>()
        let task = Task { result.set(await work()) }
        while true {
            if let value = result.wait(until: MonotonicClock.now() + cancellationCheck) { return value }
            if isCancelled() { task.cancel() }
        }
    }
}
