package import EventThread
package import Records
package import ZeroMQ

/// CURVE connections to a peer, through which anything can be said. Links belong to `thread`.
///
/// `@unchecked Sendable`: everything but the thread and the context is touched inside `perform` and its timers only.
package final class AttackRig: @unchecked Sendable {
    /// One connection, and what became of it.
    package final class Link {
        package let socket: ZeroMQSocket
        let monitor: ZeroMQMonitor
        package fileprivate(set) var handshakes = 0
        package fileprivate(set) var refusals = 0
        package fileprivate(set) var losses = 0
        package fileprivate(set) var received: [[UInt8]] = []
        /// Whether it reads what the peer sends; else that piles up.
        package fileprivate(set) var isReading = true

        init(socket: ZeroMQSocket, monitor: ZeroMQMonitor) {
            self.socket = socket
            self.monitor = monitor
        }
    }

    package let thread: EventThread
    private let context: ZeroMQContext
    private var loop: ZeroMQLoop?
    private var links: [Int: Link] = [:]
    private var lastLink = 0

    package init() throws {
        thread = try EventThread(name: "attacker")
        context = try ZeroMQContext()
        try thread.run()
    }

    package func perform<Value: Sendable>(
        _ work: @escaping @Sendable (AttackRig) throws -> Value
    ) async throws -> Value {
        try await thread.perform { try work(self) }
    }

    package func close() {
        thread.post {
            for number in Array(self.links.keys) { self.close(number) }
            self.loop?.removeAll()
        }
        thread.stop()
        context.terminate()
    }

    // MARK: On the thread

    /// - Parameter kind: `.dealer` for the control port, `.xsub` for the gossip port.
    package func open(
        _ kind: ZeroMQSocketKind, toPort port: UInt16, of server: CurveKey, as keys: AttackKeys,
        isReading: Bool = true, maximumMessageSize: Int64 = 64 << 20
    ) throws -> Int {
        var options = ZeroMQSocketOptions()
        options.curve = .client(
            serverKey: server.bytes, publicKey: keys.publicKey.bytes, secretKey: keys.secretKey)
        options.maximumMessageSize = maximumMessageSize
        options.sendHighWater = 100_000
        // Read or not, it must be the peer's queue that fills.
        options.receiveHighWater = isReading ? 100_000 : 1
        options.immediate = true
        let socket = try ZeroMQSocket(context: context, kind: kind, options: options)
        let link = Link(socket: socket, monitor: try socket.monitor())
        link.isReading = isReading
        let loop = self.loop ?? ZeroMQLoop(thread: thread)
        self.loop = loop
        loop.add(link.monitor) { [unowned link] event in
            switch event.kind {
            case .handshakeSucceeded: link.handshakes += 1
            case .handshakeFailedAuthentication: link.refusals += 1
            case .disconnected: link.losses += 1
            default: break
            }
        }
        if isReading {
            loop.add(socket) { [unowned link] message in
                if let payload = message.frames.last, link.received.count < 1_000 { link.received.append(payload) }
            }
        }
        try socket.connect("tcp://127.0.0.1:\(port)")
        lastLink += 1
        links[lastLink] = link
        return lastLink
    }

    package func link(_ number: Int) -> Link? { links[number] }

    package var linkNumbers: [Int] { links.keys.sorted() }

    package func close(_ number: Int) {
        guard let link = links.removeValue(forKey: number) else { return }
        loop?.remove(link.monitor)
        loop?.remove(link.socket)
        link.socket.close()
    }

    /// False when it was not taken.
    package func send(_ frames: [[UInt8]], on number: Int) -> Bool {
        guard let link = links[number] else { return false }
        return (try? link.socket.send(frames)) ?? false
    }

    // MARK: Floods

    /// Calls `body` with so many numbers a second, evenly in steps of 5 ms.
    package func flood(
        rate: Int, nanoseconds: UInt64, _ body: @escaping @Sendable (AttackRig, Int) -> Void
    ) async {
        await withCheckedContinuation { (done: CheckedContinuation<Void, Never>) in
            thread.post {
                let start = MonotonicClock.now()
                self.step(rate, from: start, to: start + nanoseconds, sent: 0, body) { done.resume() }
            }
        }
    }

    private func step(
        _ rate: Int, from start: UInt64, to end: UInt64, sent: Int,
        _ body: @escaping @Sendable (AttackRig, Int) -> Void,
        done: @escaping () -> Void
    ) {
        let now = min(MonotonicClock.now(), end)
        let due = Int(UInt64(rate) * (now - start) / Duration64.second)
        for number in sent..<max(sent, due) { body(self, number) }
        guard now < end else { return done() }
        thread.schedule(after: 5 * Duration64.millisecond) {
            self.step(rate, from: start, to: end, sent: due, body, done: done)
        }
    }

    /// Bytes that are no message, different for each number.
    package static func garbage(_ number: Int, count: Int = 200) -> [UInt8] {
        var generator = SeededGenerator(seed: UInt64(number))
        return [0xEE] + (1..<max(count, 2)).map { _ in UInt8(truncatingIfNeeded: generator.next()) }
    }
}
