import Glibc
import Telemetry

/// Waits on a thread of our own for what tasks do: for request handlers, which may block.
package enum AwaitBridge {
    /// How often a waiting thread asks whether to cancel, milliseconds.
    private static let cancellationCheck: Int32 = 100

    /// Runs `work` as a task and blocks the calling thread until it is done, asking now and then whether to cancel it.
    ///
    /// Never call it from a task: it would hold a thread of Swift's pool.
    package static func wait<Value: Sendable>(
        isCancelled: () -> Bool = { false }, _ work: @escaping @Sendable () async -> Value
    ) -> Value {
        let result = Guarded<Value?>(nil)
        let bell = pipeEnds()
        defer {
            close(bell.reading)
            close(bell.writing)
        }
        let task = Task {
            let value = await work()
            result.withLock { $0 = value }
            // A byte in an empty pipe is always taken.
            _ = write(bell.writing, [1], 1)
        }
        while true {
            var waiting = pollfd(fd: bell.reading, events: Int16(POLLIN), revents: 0)
            if poll(&waiting, 1, cancellationCheck) > 0, let value = result.withLock({ $0 }) { return value }
            if isCancelled() { task.cancel() }
        }
    }

    private static func pipeEnds() -> (reading: Int32, writing: Int32) {
        var ends: [Int32] = [-1, -1]
        let status = pipe(&ends)
        precondition(status == 0, "no descriptor is left for a pipe; raise this process's limit of open files")
        return (ends[0], ends[1])
    }
}
