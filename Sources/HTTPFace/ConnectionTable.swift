import EventThread
import Glibc
import Telemetry

/// The face's connections, the socket they come to, and what they share: bounds and the queues for answers.
///
/// `@unchecked Sendable` holds since the state is confined to the face's thread: it is set up before the thread can reach it,
/// and every method is called there only.
final class ConnectionTable: @unchecked Sendable {
    let thread: EventThread
    let configuration: HTTPFace.Configuration
    let routes: Routes
    let metrics = HTTPMetrics()
    private let listener: ListeningSocket
    private let probes: AnswerQueue
    private let contents: AnswerQueue
    private var connections: [Int32: Connection] = [:]
    private var unsentBytes = 0
    private var isShortOfDescriptors = false
    private let log = Log(component: "http")

    init(
        thread: EventThread, listener: ListeningSocket, configuration: HTTPFace.Configuration,
        content: HTTPFace.Content
    ) {
        self.thread = thread
        self.listener = listener
        self.configuration = configuration
        routes = Routes(content: content)
        probes = AnswerQueue(thread: thread, routes: routes, capacity: HTTPLimits.probeAnswers)
        contents = AnswerQueue(thread: thread, routes: routes, capacity: HTTPLimits.contentAnswers)
    }

    /// Accepts connections from now on.
    func open() { thread.register(descriptor: listener.descriptor, events: .readable) { [self] _ in accept() } }

    /// Ends every connection and gives the port back.
    func close() {
        thread.unregister(descriptor: listener.descriptor)
        listener.close()
        for connection in Array(connections.values) { connection.close() }
    }

    func queue(for route: Route) -> AnswerQueue { route.isProbe ? probes : contents }

    /// Anybody can fail as often as they like, so nobody is told at the usual level.
    func handshakeFailed(_ reason: String) {
        metrics.handshakeFailures.increment()
        log.debug("a TLS handshake failed", [("reason", reason)])
    }

    // MARK: Answers that wait for their clients

    /// Whether an answer may be kept until its client takes it. A large one goes through alone, whatever its size.
    func mayHold(_ bytes: Int) -> Bool {
        bytes <= HTTPLimits.smallAnswerBytes || unsentBytes == 0
            || unsentBytes + bytes <= configuration.maximumUnsentBytes
    }

    func hold(_ bytes: Int) { unsentBytes += bytes }

    func release(_ bytes: Int) { unsentBytes -= bytes }

    // MARK: Connections

    /// A closed connection, with what it still held.
    func forget(_ connection: Connection, unsentBytes: Int) {
        release(unsentBytes)
        connections[connection.descriptor] = nil
        metrics.connections.add(-1)
    }

    private func accept() {
        for _ in 0..<HTTPLimits.acceptBatch {
            switch listener.accept() {
            case .none: return
            case .exhausted(let code): return pause(code)
            case .connection(let descriptor):
                isShortOfDescriptors = false
                admit(descriptor)
            }
        }
    }

    private func admit(_ descriptor: Int32) {
        if connections.count >= configuration.maximumConnections {
            metrics.refused.increment()
            guard evict() else {
                Glibc.close(descriptor)
                return
            }
        }
        let connection = Connection(descriptor: descriptor, owner: self)
        connections[descriptor] = connection
        metrics.connections.add(1)
        connection.begin()
    }

    /// Makes room at the cost of whom nothing is owed: clients that hold connections open without asking can't keep a
    /// liveness probe out. False when every connection has a request.
    private func evict() -> Bool {
        let expendable = connections.values.filter(\.isExpendable)
        guard let oldest = expendable.min(by: { ($0.waitingSince, $0.descriptor) < ($1.waitingSince, $1.descriptor) })
        else { return false }
        oldest.close()
        return true
    }

    /// The waiting connection keeps the listener readable, so asking again at once would spin.
    private func pause(_ code: Int32) {
        if !isShortOfDescriptors {
            log.warning(
                "can't accept an HTTP connection; raise the limit of open files (ulimit -n)",
                [("reason", String(cString: strerror(code)))])
        }
        isShortOfDescriptors = true
        metrics.refused.increment()
        thread.modify(descriptor: listener.descriptor, events: [])
        thread.schedule(after: HTTPLimits.acceptPause) { [self] in
            thread.modify(descriptor: listener.descriptor, events: .readable)
        }
    }
}
