import CLinux
import Glibc
import Synchronization

/// The operator's wish that the program ends: SIGTERM or SIGINT. The first one is told to whoever waits; a second one ends
/// the program at once, since somebody is losing patience.
package final class TerminationSignals: Sendable {
    /// Written to by the signal handler, which may touch nothing else; made before the handler is set.
    private static let doorbell = Atomic<Int32>(-1)
    private static let received = Atomic<Int32>(0)

    private let thread: EventThread

    /// Sets the handlers; once in a process.
    package init() throws(EventThreadError) {
        let descriptor = mx_eventfd_create()
        guard descriptor >= 0 else { throw EventThreadError(what: "an eventfd", thread: "signals", code: errno) }
        Self.doorbell.store(descriptor, ordering: .sequentiallyConsistent)
        thread = try EventThread(name: "signals")
        try thread.run()
        for number in [SIGTERM, SIGINT] {
            signal(number) { number in
                if TerminationSignals.received.exchange(number, ordering: .sequentiallyConsistent) != 0 {
                    _exit(128 + number)
                }
                mx_eventfd_signal(TerminationSignals.doorbell.load(ordering: .sequentiallyConsistent))
            }
        }
        // A reader that goes away is an error of one write, never the end of the process.
        signal(SIGPIPE, SIG_IGN)
    }

    /// Returns the number of the next signal; one wait at a time.
    package func wait() async -> Int32 {
        let descriptor = Self.doorbell.load(ordering: .sequentiallyConsistent)
        let thread = self.thread
        await withCheckedContinuation { (continuation: CheckedContinuation<Void, Never>) in
            let isPosted = thread.post {
                thread.register(descriptor: descriptor, events: .readable) { _ in
                    thread.unregister(descriptor: descriptor)
                    mx_eventfd_drain(descriptor)
                    continuation.resume()
                }
            }
            if !isPosted { continuation.resume() }
        }
        return Self.received.load(ordering: .sequentiallyConsistent)
    }
}
