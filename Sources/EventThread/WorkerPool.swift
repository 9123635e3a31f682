import Telemetry

/// A fixed number of threads for work that computes, such as digests, away from the threads that move bytes.
package final class WorkerPool: Sendable {
    private let name: String
    private let queue: WorkQueue
    private let threads: Guarded<[PosixThread]>
    private let refused: Counter

    /// Starts the threads.
    ///
    /// - Parameters:
    ///   - name: what the threads are called; a number is added.
    ///   - threads: how many.
    ///   - capacity: how many pieces of work may wait.
    package init(name: String, threads count: Int, capacity: Int) throws(EventThreadError) {
        precondition(count > 0, "a pool without threads does nothing")
        self.name = name
        let queue = WorkQueue(capacity: capacity)
        self.queue = queue
        refused = Metrics.shared.counter(
            "modelexpress_worker_pool_full_total", help: "Work refused since the pool's queue was full.",
            labels: [("pool", name)])
        var started: [PosixThread] = []
        do throws(EventThreadError) {
            for number in 0..<count {
                started.append(try PosixThread.start(name: "\(name)-\(number)") { queue.work() })
            }
        } catch {
            queue.close()
            for thread in started { thread.join() }
            throw error
        }
        threads = Guarded(started)
    }

    deinit { stop() }

    /// Runs `work` on one of the threads.
    ///
    /// - Returns: false when the queue is full or the pool was stopped; then `work` never runs.
    @discardableResult
    package func submit(_ work: @escaping @Sendable () -> Void) -> Bool {
        let answer = queue.append(work)
        if answer == .full { refused.increment() }
        return answer == .accepted
    }

    /// Refuses further work, waits until what was accepted has run, and ends the threads. Never call it from a task.
    package func stop() {
        queue.close()
        let threads = threads.withLock { threads in
            let all = threads
            threads = []
            return all
        }
        for thread in threads {
            if thread.isCurrent { thread.detach() } else { thread.join() }
        }
    }
}
