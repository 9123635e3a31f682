import CLinux
import Glibc
import Telemetry

/// Work that other threads hand to one.
final class Mailbox: Sendable {
    /// A piece of work; exactly one of the two is called, once.
    struct Item: Sendable {
        var run: @Sendable () -> Void
        /// Called when the thread has ended without its turn coming.
        var abandon: (@Sendable () -> Void)?
    }

    enum Answer {
        case accepted
        case full
        case closed
    }

    private struct State {
        var queue: Ring<Item>
        var isClosed = false
    }

    /// An eventfd, owned here: readable after work came into the empty queue, or the queue was closed.
    let doorbell: Int32
    private let state: Guarded<State>

    /// Nil with errno when there is no descriptor left.
    init?(capacity: Int) {
        doorbell = mx_eventfd_create()
        guard doorbell >= 0 else { return nil }
        state = Guarded(State(queue: Ring(capacity: capacity)))
    }

    deinit { close(doorbell) }

    func append(_ item: Item) -> Answer {
        let (answer, wasEmpty) = state.withLock { state -> (Answer, Bool) in
            guard !state.isClosed else { return (.closed, false) }
            let wasEmpty = state.queue.isEmpty
            return (state.queue.append(item) ? .accepted : .full, wasEmpty)
        }
        // Into a queue that isn't empty, the ring of whoever came first still holds, or the thread knows there is more.
        if answer == .accepted && wasEmpty { ring() }
        return answer
    }

    /// The oldest work, `maximum` at most, and whether more is left.
    func take(_ maximum: Int) -> (items: [Item], isMore: Bool) {
        state.withLock { ($0.queue.popFirst(maximum), !$0.queue.isEmpty) }
    }

    /// Refuses work from now on; what was accepted stays.
    func close() {
        state.withLock { $0.isClosed = true }
        ring()
    }

    var isClosed: Bool { state.withLock { $0.isClosed } }

    /// Makes the doorbell silent again.
    func answerDoorbell() { _ = mx_eventfd_drain(doorbell) }

    private func ring() { _ = mx_eventfd_signal(doorbell) }

    private func close(_ descriptor: Int32) { Glibc.close(descriptor) }
}
