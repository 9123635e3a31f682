import EventThread
import Records
import Telemetry
import ZeroMQ

/// A ZeroMQ socket with a monitor and a table of its connections, confined to the loop's thread.
final class WatchedSocket {
    /// Whether a connection of ours ended or was refused.
    enum Change {
        case up, lost
        /// ZAP over there said no; libzmq tries no more.
        case refused
    }

    let socket: ZeroMQSocket
    let role: SocketRole
    private let loop: ZeroMQLoop
    private let metrics: TransportMetrics
    /// Whether others connect to it.
    let isServer: Bool
    private let monitor: ZeroMQMonitor
    private var connections: ConnectionTable
    private var rate = AddressRate(TransportLimits.connectionRate)
    private var isUp = false
    private var isClosed = false
    private let log = Log(component: "mesh")
    var onChange: ((Change) -> Void)?
    /// Somebody connected, of whom nothing is known yet.
    var onStranger: (() -> Void)?

    /// - Parameter onMessage: gets each message and its descriptor; the table has counted it.
    init(
        context: ZeroMQContext, loop: ZeroMQLoop, kind: ZeroMQSocketKind, options: ZeroMQSocketOptions,
        role: SocketRole, metrics: TransportMetrics, onMessage: @escaping (WatchedSocket, ZeroMQMessage) -> Void
    ) throws(ZeroMQError) {
        self.loop = loop
        self.role = role
        self.metrics = metrics
        isServer = kind == .router || kind == .xpub
        connections = ConnectionTable(isServer: isServer)
        socket = try ZeroMQSocket(context: context, kind: kind, options: options)
        monitor = try socket.monitor(
            isServer
                ? [.accepted, .disconnected, .handshakeFailed]
                : [.connected, .disconnected, .handshakeSucceeded, .handshakeFailed])
        loop.add(monitor) { [unowned self] in happened($0) }
        loop.add(socket) { [unowned self] message in onMessage(self, message) }
    }

    var connectionCount: Int { connections.count }

    var hasStrangers: Bool { isServer && connections.hasStrangers }

    /// Closes it when that can't be.
    func connect(_ endpoint: String, subscribing topic: [UInt8]? = nil) throws(ZeroMQError) {
        do {
            if let topic { try socket.subscribe(topic) }
            try socket.connect(endpoint)
        } catch {
            close()
            throw error
        }
    }

    /// Notes what the message took on the wire; at a ROUTER the first frame is not from there.
    func count(_ message: ZeroMQMessage, from key: CurveKey?) {
        guard let descriptor = message.descriptor else { return }
        let frames = message.frames.dropFirst(socket.kind == .router ? 1 : 0)
        connections.delivered(
            descriptor, key: key, bytes: ConnectionTable.wireBytes(frames), now: MonotonicClock.now())
    }

    func prove(_ message: ZeroMQMessage) {
        if let descriptor = message.descriptor { connections.prove(descriptor) }
    }

    // MARK: Cutting

    /// Cuts the connection that the message came on, unless that is gone. False when libzmq doesn't tell which it was.
    func cut(_ message: ZeroMQMessage, _ reason: CutConnection) -> Bool {
        guard let descriptor = message.descriptor else { return false }
        if let connection = connections.connection(descriptor) { cut(connection, reason) }
        return true
    }

    func cutConnections(of key: CurveKey, _ reason: CutConnection) {
        for connection in connections.connections(of: key) { cut(connection, reason) }
    }

    /// Cuts what holds too much or what nobody vouched for.
    func watch(now: UInt64) {
        for (connection, reason) in connections.judge(now: now) { cut(connection, reason) }
    }

    private func cut(_ connection: TCPConnection, _ reason: CutConnection) {
        guard connection.cut() else { return connections.closed(connection.descriptor) }
        connections.cut(connection)
        metrics.count(reason, at: role)
        log.debug("a connection was cut", [("socket", role.rawValue), ("reason", reason.rawValue)])
    }

    /// The connections that came in are gone with their listener.
    func forgetConnections() { connections.removeAll() }

    func close() {
        guard !isClosed else { return }
        isClosed = true
        loop.remove(monitor)
        loop.remove(socket)
        socket.close()
    }

    private func happened(_ event: ZeroMQMonitorEvent) {
        guard !isClosed else { return }
        switch event.kind {
        case .accepted, .connected:
            guard let descriptor = event.descriptor else { return }
            let now = MonotonicClock.now()
            for tooMany in connections.opened(descriptor, now: now) { cut(tooMany, .crowd) }
            if isServer { welcome(descriptor, now) }
        case .handshakeSucceeded:
            isUp = true
            onChange?(.up)
        case .disconnected:
            if let descriptor = event.descriptor { connections.closed(descriptor) }
            guard isUp else { return }
            isUp = false
            onChange?(.lost)
        case .handshakeFailed, .handshakeFailedProtocol:
            countFailure()
        case .handshakeFailedAuthentication:
            countFailure()
            onChange?(.refused)
        case .connectRetried, .other: break
        }
    }

    private func welcome(_ descriptor: Int32, _ now: UInt64) {
        if let connection = connections.connection(descriptor), let address = connection.address,
            !rate.allows(address, now: now)
        {
            cut(connection, .rate)
        } else {
            onStranger?()
        }
    }

    private func countFailure() {
        (isServer ? metrics.handshakesFailedIn : metrics.handshakesFailedOut).increment()
    }
}
