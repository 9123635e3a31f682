package import EventThread
import Telemetry

/// Brings ZeroMQ sockets to an `EventThread`, and belongs to it: made, used and dropped on that thread.
///
/// libzmq's descriptor tells of a change once, and any call on the socket, a send as well, may swallow that. So the
/// descriptor only ends the wait; before each wait every socket whose descriptor fired, or on which anything was called since
/// it was last read, is read until it has no input. Asking the others would cost each peer of a mesh as many system calls for
/// a message as it has neighbours; they are asked once a second all the same, as a net under libzmq's subtleties.
package final class ZeroMQLoop {
    /// How many messages of one socket are handled before others get their turn.
    package static let messagesPerTurn = 256
    /// How often every socket is asked, nanoseconds.
    private static let sweepPeriod: UInt64 = 1_000_000_000

    private final class Entry {
        let socket: ZeroMQSocket
        let descriptor: Int32
        let handler: (ZeroMQMessage) -> Void
        var isActive = true

        init(socket: ZeroMQSocket, handler: @escaping (ZeroMQMessage) -> Void) {
            self.socket = socket
            self.handler = handler
            descriptor = socket.fileDescriptor
        }
    }

    private let thread: EventThread
    private let log = Log(component: "zeromq")
    private var entries: [Entry] = []
    private var nextSweep: UInt64 = 0

    /// - Parameter thread: the thread it is called on.
    package init(thread: EventThread) {
        thread.assertOnThread()
        self.thread = thread
        let before = thread.beforePoll
        // The thread drops the closure when it ends.
        thread.beforePoll = {
            let isMoreElsewhere = before?() ?? false
            return self.drain() || isMoreElsewhere
        }
    }

    /// Calls `handler` with each message of `socket`. It may send, and add and remove sockets, but not wait.
    package func add(_ socket: ZeroMQSocket, handler: @escaping (ZeroMQMessage) -> Void) {
        thread.assertOnThread()
        precondition(!entries.contains { $0.socket === socket }, "the socket was added before")
        let entry = Entry(socket: socket, handler: handler)
        precondition(entry.descriptor >= 0, "the socket is closed")
        entries.append(entry)
        thread.register(descriptor: entry.descriptor, events: .readable) { _ in socket.mayHaveInput = true }
    }

    /// Calls `handler` with each event of `monitor`.
    package func add(_ monitor: ZeroMQMonitor, handler: @escaping (ZeroMQMonitorEvent) -> Void) {
        add(monitor.socket) { message in
            if let event = ZeroMQMonitorEvent(message) { handler(event) }
        }
    }

    /// Stops reading `socket`, which stays open. Others are left alone; a socket that isn't here is fine.
    package func remove(_ socket: ZeroMQSocket) {
        thread.assertOnThread()
        guard let index = entries.firstIndex(where: { $0.socket === socket }) else { return }
        let entry = entries.remove(at: index)
        entry.isActive = false
        thread.unregister(descriptor: entry.descriptor)
    }

    /// Stops reading `monitor`; to be called before its socket is closed.
    package func remove(_ monitor: ZeroMQMonitor) { remove(monitor.socket) }

    /// Stops reading all sockets, and lets go of their handlers.
    package func removeAll() {
        for entry in entries { remove(entry.socket) }
    }

    /// True when anything was read: a handler's send on one socket may have swallowed the news of another.
    private func drain() -> Bool {
        let now = MonotonicClock.now()
        if now >= nextSweep {
            nextSweep = now + Self.sweepPeriod
            for entry in entries { entry.socket.mayHaveInput = true }
        }
        var didWork = false
        for entry in entries where entry.socket.mayHaveInput && drain(entry) { didWork = true }
        return didWork
    }

    private func drain(_ entry: Entry) -> Bool {
        var count = 0
        // Before the first question: a handler that calls the socket sets it again.
        entry.socket.mayHaveInput = false
        do throws(ZeroMQError) {
            // Asked each time: a REQ or REP that is to send next would fail on receiving.
            while count < Self.messagesPerTurn, entry.isActive, entry.socket.hasInput {
                count += 1
                if case .message(let message) = try entry.socket.receiveOne() { entry.handler(message) }
            }
        } catch {
            if !error.isTerminated { log.error("a socket failed and is read no more", [("error", error)]) }
            remove(entry.socket)
        }
        if count == Self.messagesPerTurn { entry.socket.mayHaveInput = true }
        return count > 0
    }
}
