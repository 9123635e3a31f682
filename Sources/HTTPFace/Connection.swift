import EventThread
import Glibc
import Telemetry

/// One client: reads requests one after the other, has each answered, writes the answer.
///
/// `@unchecked Sendable` holds since the state is confined to the face's thread: it is made and called there only, and tasks
/// that answer merely carry the reference back there.
final class Connection: @unchecked Sendable {
    private enum Phase {
        /// The channel has something to settle before the first byte.
        case beginning
        case reading
        case answering(Request, Route, Task<Void, Never>?)
        case sending(closes: Bool)
        /// Our end is closed; what still comes is thrown away until the client's is.
        case lingering(bytes: Int)
        case closed
    }

    let descriptor: Int32
    /// Counts requests, so that an answer that comes too late finds no other one's place.
    private(set) var turn: UInt64 = 0
    /// When it began to wait for the client's next move.
    private(set) var waitingSince = MonotonicClock.now()
    private unowned let owner: ConnectionTable
    private var channel: any ByteChannel
    private var hasBegun = false
    private var reader: RequestReader
    private var phase = Phase.beginning
    private var timer: TimerID?
    private var output: [UInt8] = []
    private var sent = 0

    init(descriptor: Int32, owner: ConnectionTable) {
        self.descriptor = descriptor
        self.owner = owner
        channel = owner.configuration.channel?(descriptor) ?? PlainChannel(descriptor: descriptor)
        if channel is PlainChannel { phase = .reading }
        reader = RequestReader(maximumBytes: owner.configuration.maximumRequestBytes)
    }

    private var thread: EventThread { owner.thread }

    /// Nothing is owed to the client, so the connection may be given up for another.
    var isExpendable: Bool {
        switch phase {
        case .beginning, .reading, .lingering: true
        case .answering, .sending, .closed: false
        }
    }

    /// Serves the client from now on.
    func begin() {
        thread.register(descriptor: descriptor, events: .readable) { [self] in ready($0) }
        setTimer(owner.configuration.requestTimeout)
    }

    /// Ends it now. Again does nothing.
    func close() {
        if case .closed = phase { return }
        stopAnswering()
        phase = .closed
        if let timer { thread.cancel(timer) }
        thread.unregister(descriptor: descriptor)
        Glibc.close(descriptor)
        owner.forget(self, unsentBytes: output.count)
        output = []
    }

    // MARK: Events

    private func ready(_ events: PollEvents) {
        switch phase {
        case .beginning: settle()
        case .reading: receive()
        // Nothing else is asked for then.
        case .answering: if !events.isDisjoint(with: [.hangup, .error, .invalid]) { close() }
        case .sending: flush()
        case .lingering(let bytes): throwAway(after: bytes)
        case .closed: return
        }
        advance()
    }

    private func timedOut() {
        let isIdle = if case .reading = phase { reader.isEmpty } else { false }
        if !isIdle { owner.metrics.timeouts.increment() }
        switch phase {
        case .reading where !isIdle: reply(.error(.requestTimeout, "the request was not whole in time"), to: nil)
        case .answering(let request, let route, _):
            stopAnswering()
            reply(Routes.late(route), to: request)
        case .beginning, .reading, .sending, .lingering, .closed: close()
        }
        advance()
    }

    // MARK: Beginning

    private func settle() {
        let isFirst = !hasBegun
        hasBegun = true
        if isFirst, SocketPiece.beginsPlainly(descriptor) {
            channel = PlainChannel(descriptor: descriptor)
            return reply(.error(.badRequest, "this port speaks TLS: use https://"), to: nil)
        }
        switch channel.begin() {
        case .ready:
            phase = .reading
            thread.modify(descriptor: descriptor, events: .readable)
        case .wantsRead: thread.modify(descriptor: descriptor, events: .readable)
        case .wantsWrite: thread.modify(descriptor: descriptor, events: .writable)
        case .failed(let reason):
            owner.handshakeFailed(reason)
            close()
        }
    }

    // MARK: Reading

    private func receive() {
        switch channel.receive() {
        case .bytes(let bytes):
            // The time between two requests is not the second one's.
            if reader.isEmpty { setTimer(owner.configuration.requestTimeout) }
            reader.append(bytes[...])
        case .nothing: return
        case .ended: close()
        }
    }

    /// Takes up requests until one has to wait. A loop, since a client may send many at once.
    private func advance() {
        while case .reading = phase {
            do throws(RequestRefusal) {
                guard let request = try reader.next() else { return }
                turn += 1
                handle(request)
            } catch {
                reply(.refusal(error, maximumBytes: owner.configuration.maximumRequestBytes), to: nil)
            }
        }
    }

    // MARK: Answering

    private func handle(_ request: Request) {
        switch owner.routes.plan(request) {
        case .answer(let response): reply(response, to: request)
        case .make(let route):
            phase = .answering(request, route, nil)
            thread.modify(descriptor: descriptor, events: [])
            setTimer(owner.configuration.requestTimeout)
            owner.queue(for: route).ask(route, for: self)
        }
    }

    func isBeingAnswered(by task: Task<Void, Never>) {
        guard case .answering(let request, let route, _) = phase else { return }
        phase = .answering(request, route, task)
    }

    /// The answer to request number `turn`, unless it was given up.
    func take(_ answer: Response, turn: UInt64) {
        guard case .answering(let request, _, _) = phase, turn == self.turn else { return }
        reply(answer, to: request)
        advance()
    }

    private func stopAnswering() {
        guard case .answering(_, let route, let task) = phase else { return }
        task?.cancel()
        owner.queue(for: route).withdraw(self)
    }

    // MARK: Sending

    /// - Parameter request: nil when there was no sensible one; the connection then ends.
    private func reply(_ response: Response, to request: Request?) {
        var response = request.map(response.revalidated) ?? response
        let isHead = request?.method == .head
        if !isHead && !owner.mayHold(response.body.count) {
            response = .error(.unavailable, "too many clients leave their answers untaken; try again later")
        }
        owner.metrics.count(response.status)
        let closes = request?.keepsAlive != true
        output = response.encoded(
            isHead: isHead, closes: closes, confirmsKeepAlive: request?.isVersion10 == true)
        owner.hold(output.count)
        sent = 0
        phase = .sending(closes: closes)
        setTimer(HTTPLimits.sendTimeout)
        flush()
    }

    private func flush() {
        guard case .sending(let closes) = phase else { return }
        guard let count = channel.send(output[sent...]) else { return close() }
        sent += count
        guard sent == output.count else { return thread.modify(descriptor: descriptor, events: .writable) }
        owner.release(output.count)
        output = []
        thread.modify(descriptor: descriptor, events: .readable)
        waitingSince = MonotonicClock.now()
        if closes {
            linger()
        } else {
            phase = .reading
            setTimer(reader.isEmpty ? HTTPLimits.keepAliveTimeout : owner.configuration.requestTimeout)
        }
    }

    // MARK: Ending

    /// Closing a socket with unread bytes resets it, and the client may lose the answer.
    private func linger() {
        phase = .lingering(bytes: 0)
        channel.finish()
        setTimer(HTTPLimits.lingerTimeout)
        if shutdown(descriptor, Int32(SHUT_WR)) != 0 { close() }
    }

    private func throwAway(after bytes: Int) {
        switch SocketPiece.receive(from: descriptor) {
        case .bytes(let piece) where bytes + piece.count <= HTTPLimits.lingerBytes:
            phase = .lingering(bytes: bytes + piece.count)
        case .nothing: return
        case .bytes, .ended: close()
        }
    }

    private func setTimer(_ nanoseconds: UInt64) {
        if let timer { thread.cancel(timer) }
        timer = thread.schedule(after: nanoseconds) { [self] in timedOut() }
    }
}
