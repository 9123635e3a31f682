import EventThread
import Glibc
import Records
import Telemetry

/// Takes new connections of one listening socket, on the accepting thread.
final class LaneAcceptor: Sendable {
    private let listener: Socket
    private let kind: LaneKind
    private let thread: EventThread
    private let connections: WorkerPool
    private let context: ConnectionContext
    private let metrics: LaneMetrics
    private let log = Log(component: "lanes")

    init(
        listener: Socket, kind: LaneKind, thread: EventThread, connections: WorkerPool, context: ConnectionContext
    ) {
        self.listener = listener
        self.kind = kind
        self.thread = thread
        self.connections = connections
        self.context = context
        metrics = LaneMetrics(kind, .sent)
    }

    /// On the thread.
    func start() {
        thread.register(descriptor: listener.descriptor, events: .readable) { [self] _ in acceptBatch() }
    }

    private func acceptBatch() {
        do throws(SocketFailure) {
            for _ in 0..<LaneLimits.acceptBatch {
                guard !context.registry.isBehind else { return pause(LaneLimits.displacedPause) }
                guard let socket = try SocketEndpoints.accept(from: listener) else { return }
                serve(socket)
            }
        } catch {
            // No descriptor is left, most likely. The listener stays readable, so asking again at once would spin.
            log.error("can't accept connections", [("lane", kind.word), ("reason", error.description)])
            metrics.countFailure("accept")
            pause(LaneLimits.acceptPause)
        }
    }

    private func pause(_ nanoseconds: UInt64) {
        thread.modify(descriptor: listener.descriptor, events: [])
        thread.schedule(after: nanoseconds) { [self] in
            thread.modify(descriptor: listener.descriptor, events: .readable)
        }
    }

    private func serve(_ socket: Socket) {
        guard let connection = context.registry.enter(socket) else {
            metrics.countFailure("too_many_connections")
            socket.abort()
            return
        }
        let server = ConnectionServer(
            socket: socket, connection: connection, kind: kind, context: context, metrics: metrics)
        if !connections.submit({ server.run() }) { _ = context.registry.leave(connection) }
    }
}
