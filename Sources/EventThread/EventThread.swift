import Glibc
import Synchronization
import Telemetry

/// One thread that owns sockets and other descriptors, waits for them, and runs what others post to it.
///
/// Each round it runs posted work (a bounded batch), then the timers that are due, then `beforePoll`, then the handlers of
/// the descriptors that poll reports. All of that is called on the thread and must not block. Methods under "on the
/// thread" may be called there only, which is checked; all others from anywhere.
///
/// A running thread keeps its `EventThread` alive: it lasts until `stop()`.
package final class EventThread: Sendable {
    /// How many pieces of posted work may wait.
    package static let mailboxCapacity = 65536
    /// How much posted work runs before descriptors and timers get their turn.
    package static let mailboxBatch = 256

    private enum Life {
        case new
        case running(PosixThread)
        case stopped
    }

    /// The thread's name, as `top -H` shows its first 15 characters.
    package let name: String
    private let mailbox: Mailbox
    private let life = Guarded(Life.new)
    private let mailboxFull: Counter
    /// pthread_self() of the running thread; 0 before and after.
    private let identity = Atomic<UInt>(0)
    // The loop's state is confined to the thread: `run` hands it over before anybody else can reach it, every method that
    // touches it calls `assertOnThread` first, and the thread clears it before it ends.
    nonisolated(unsafe) private let loop: EventLoop

    /// - Throws: when no descriptor is left.
    package init(name: String) throws(EventThreadError) {
        guard let mailbox = Mailbox(capacity: Self.mailboxCapacity) else {
            throw EventThreadError(what: "an eventfd", thread: name, code: errno)
        }
        self.name = name
        self.mailbox = mailbox
        loop = EventLoop(mailbox: mailbox, threadName: name)
        mailboxFull = Metrics.shared.counter(
            "modelexpress_event_thread_mailbox_full_total", help: "Work refused since a thread was too far behind.",
            labels: [("thread", name)])
    }

    /// Starts the thread; once. Work posted before waits for it.
    package func run() throws(EventThreadError) {
        try life.withLock { (life: inout sending Life) throws(EventThreadError) in
            guard case .new = life else { preconditionFailure("thread \(name) was run or stopped before") }
            life = .running(try PosixThread.start(name: name) { self.main() })
        }
    }

    /// Ends the thread: work accepted so far runs, later work is refused, timers and registrations are dropped.
    ///
    /// Waits for the end, so never call it from a task; on the thread itself it returns at once. Again does nothing.
    package func stop() {
        mailbox.close()
        let before = life.withLock { life in
            let before = life
            life = .stopped
            return before
        }
        switch before {
        case .running(let thread): if isCurrent { thread.detach() } else { thread.join() }
        case .new: loop.abandonMailbox()
        case .stopped: return
        }
    }

    /// Whether the caller runs on this thread.
    package var isCurrent: Bool { identity.load(ordering: .relaxed) == UInt(pthread_self()) }

    /// Ends the program when the caller runs elsewhere.
    package func assertOnThread(file: StaticString = #fileID, line: UInt = #line) {
        precondition(isCurrent, "called off thread \(name)", file: file, line: line)
    }

    // MARK: Handing work over

    /// Runs `work` on the thread, in order of posting.
    ///
    /// - Returns: false when the mailbox is full or the thread was stopped; then `work` never runs.
    @discardableResult
    package func post(_ work: @escaping @Sendable () -> Void) -> Bool {
        append(Mailbox.Item(run: work)) == .accepted
    }

    /// Runs `work` on the thread and waits for its result without blocking a thread.
    ///
    /// - Throws: what `work` throws, `EventThreadStopped` or `EventThreadMailboxFull`.
    package func perform<T: Sendable>(_ work: @escaping @Sendable () throws -> T) async throws -> T {
        try await withCheckedThrowingContinuation { continuation in
            let stopped = EventThreadStopped(thread: name)
            let item = Mailbox.Item(
                run: { continuation.resume(with: Result(catching: work)) },
                abandon: { continuation.resume(throwing: stopped) })
            switch append(item) {
            case .accepted: return
            case .full: continuation.resume(throwing: EventThreadMailboxFull(thread: name))
            case .closed: continuation.resume(throwing: stopped)
            }
        }
    }

    // MARK: On the thread: descriptors

    /// Watches a descriptor, which stays the caller's: unregister it before closing it. Level-triggered: the handler is
    /// called each round while the event holds.
    package func register(descriptor: Int32, events: PollEvents, handler: @escaping (PollEvents) -> Void) {
        assertOnThread()
        loop.polls.add(descriptor, events: events, handler: handler)
    }

    /// Watches a registered descriptor for other events.
    package func modify(descriptor: Int32, events: PollEvents) {
        assertOnThread()
        loop.polls.modify(descriptor, events: events)
    }

    /// Watches a descriptor no more; its handler isn't called again, not even in this round.
    package func unregister(descriptor: Int32) {
        assertOnThread()
        loop.polls.remove(descriptor)
    }

    // MARK: On the thread: timers

    /// Calls `work` once, `nanoseconds` from now.
    @discardableResult
    package func schedule(after nanoseconds: UInt64, _ work: @escaping () -> Void) -> TimerID {
        let (deadline, overflow) = MonotonicClock.now().addingReportingOverflow(nanoseconds)
        return schedule(at: overflow ? .max : deadline, work)
    }

    /// Calls `work` once when `MonotonicClock` has reached `deadline`.
    @discardableResult
    package func schedule(at deadline: UInt64, _ work: @escaping () -> Void) -> TimerID {
        assertOnThread()
        return loop.timers.insert(deadline: deadline, work: work)
    }

    /// Takes a timer back. False when it fired or was cancelled before.
    @discardableResult
    package func cancel(_ timer: TimerID) -> Bool {
        assertOnThread()
        return loop.timers.cancel(timer)
    }

    // MARK: On the thread: sources that poll can't see

    /// Called before each poll; returns true when there is more to do, and poll then doesn't wait.
    ///
    /// For libraries whose descriptors are edge-triggered. Whoever sets it calls what was there before as well.
    package var beforePoll: (() -> Bool)? {
        get {
            assertOnThread()
            return loop.beforePoll
        }
        set {
            assertOnThread()
            loop.beforePoll = newValue
        }
    }

    private func append(_ item: Mailbox.Item) -> Mailbox.Answer {
        let answer = mailbox.append(item)
        if answer == .full { mailboxFull.increment() }
        return answer
    }

    private func main() {
        identity.store(UInt(pthread_self()), ordering: .relaxed)
        loop.run()
        identity.store(0, ordering: .relaxed)
    }
}
