import CZeroMQ

/// How a TCP connection is encrypted and authenticated. Keys are 32 raw bytes.
package enum ZeroMQCurve: Sendable, Equatable {
    /// Not at all: for inproc and ipc, and for the bootstrap port.
    case none
    /// The side whose key others know beforehand.
    case server(secretKey: [UInt8])
    /// The side that knows the server's key; its own pair is what ZAP sees.
    case client(serverKey: [UInt8], publicKey: [UInt8], secretKey: [UInt8])
}

/// What a socket is set to before it is bound or connected; nothing changes later.
///
/// ZMQ_HEARTBEAT_* is missing on purpose: in libzmq 4.3.4 a heartbeat on a SUB whose queue is full ends the process by an
/// assertion (libzmq issues 3937, 4767). TCP keepalive and pings of the layer above stand in. LINGER is always 0.
package struct ZeroMQSocketOptions: Sendable {
    /// The most bytes of one received frame; a peer that sends more is disconnected.
    package var maximumMessageSize: Int64 = 65_536
    /// Messages that wait to be sent, for each connection.
    package var sendHighWater: Int32 = 1000
    /// Received messages that wait for us, for each connection.
    package var receiveHighWater: Int32 = 4000
    /// Queue only for connections that stand, so that nothing piles up for a peer that is gone.
    package var immediate = false
    /// First pause before connecting again, in milliseconds; it doubles up to the maximum.
    package var reconnectInterval: Int32 = 100
    /// Longest pause before connecting again, in milliseconds.
    package var reconnectIntervalMaximum: Int32 = 10_000
    /// Milliseconds a handshake may take.
    package var handshakeInterval: Int32 = 5000
    /// Milliseconds a TCP connect may take.
    package var connectTimeout: Int32 = 2000
    /// Milliseconds that sent bytes may stay unacknowledged before the connection counts as dead.
    package var retransmitTimeout: Int32 = 15_000
    /// Seconds of silence before the first keepalive probe.
    package var keepaliveIdle: Int32 = 10
    /// Seconds between keepalive probes.
    package var keepaliveInterval: Int32 = 5
    /// Unanswered keepalive probes until the connection counts as dead.
    package var keepaliveCount: Int32 = 3
    /// Connections that the kernel keeps for us to accept.
    package var backlog: Int32 = 1024
    /// IPv6 beside IPv4.
    package var ipv6 = true
    /// ROUTER: `send` answers false for a peer that isn't connected, instead of dropping silently.
    package var routerMandatory = true
    /// ROUTER: a new connection with a routing id that is in use replaces the old one.
    package var routerHandover = false
    /// XPUB: every subscription is reported, not only the first of each topic.
    package var xpubVerbose = true
    /// What a ROUTER calls this socket; chosen by the ROUTER when nil. 1 to 255 bytes, the first not 0.
    package var routingID: [UInt8]?
    /// Encryption.
    package var curve = ZeroMQCurve.none
    /// What the ZAP handler sees as domain. Without one libzmq admits everybody, so a CURVE server needs it.
    package var zapDomain: String?

    /// The defaults above.
    package init() {}

    /// Sets everything on a new socket.
    func apply(to socket: ZeroMQOptionSetter, kind: ZeroMQSocketKind) throws(ZeroMQError) {
        try socket.set(ZMQ_LINGER, "linger", Int32(0))
        try socket.set(ZMQ_MAXMSGSIZE, "maximum message size", maximumMessageSize)
        try socket.set(ZMQ_SNDHWM, "send high water", sendHighWater)
        try socket.set(ZMQ_RCVHWM, "receive high water", receiveHighWater)
        try socket.set(ZMQ_IMMEDIATE, "immediate", Int32(immediate ? 1 : 0))
        try applyTCP(to: socket)
        try applyKind(kind, to: socket)
        try applySecurity(to: socket)
    }

    private func applyTCP(to socket: ZeroMQOptionSetter) throws(ZeroMQError) {
        try socket.set(ZMQ_RECONNECT_IVL, "reconnect interval", reconnectInterval)
        try socket.set(ZMQ_RECONNECT_IVL_MAX, "longest reconnect interval", reconnectIntervalMaximum)
        try socket.set(ZMQ_HANDSHAKE_IVL, "handshake interval", handshakeInterval)
        try socket.set(ZMQ_CONNECT_TIMEOUT, "connect timeout", connectTimeout)
        try socket.set(ZMQ_TCP_MAXRT, "retransmit timeout", retransmitTimeout)
        try socket.set(ZMQ_TCP_KEEPALIVE, "keepalive", Int32(1))
        try socket.set(ZMQ_TCP_KEEPALIVE_IDLE, "keepalive idle", keepaliveIdle)
        try socket.set(ZMQ_TCP_KEEPALIVE_INTVL, "keepalive interval", keepaliveInterval)
        try socket.set(ZMQ_TCP_KEEPALIVE_CNT, "keepalive count", keepaliveCount)
        try socket.set(ZMQ_BACKLOG, "backlog", backlog)
        try socket.set(ZMQ_IPV6, "IPv6", Int32(ipv6 ? 1 : 0))
    }

    private func applyKind(_ kind: ZeroMQSocketKind, to socket: ZeroMQOptionSetter) throws(ZeroMQError) {
        if kind == .router {
            try socket.set(ZMQ_ROUTER_MANDATORY, "mandatory routing", Int32(routerMandatory ? 1 : 0))
            try socket.set(ZMQ_ROUTER_HANDOVER, "handover", Int32(routerHandover ? 1 : 0))
        }
        if kind == .xpub { try socket.set(ZMQ_XPUB_VERBOSE, "verbose subscriptions", Int32(xpubVerbose ? 1 : 0)) }
        if let routingID { try socket.set(ZMQ_ROUTING_ID, "routing id", routingID) }
    }

    private func applySecurity(to socket: ZeroMQOptionSetter) throws(ZeroMQError) {
        if let zapDomain { try socket.set(ZMQ_ZAP_DOMAIN, "ZAP domain", Array(zapDomain.utf8)) }
        switch curve {
        case .none: return
        case .server(let secretKey):
            precondition(zapDomain?.isEmpty == false, "a CURVE server without a ZAP domain would admit everybody")
            try socket.set(ZMQ_CURVE_SERVER, "CURVE server", Int32(1))
            try socket.set(ZMQ_CURVE_SECRETKEY, "CURVE secret key", CurveKeys.checked(secretKey))
        case .client(let serverKey, let publicKey, let secretKey):
            try socket.set(ZMQ_CURVE_SERVERKEY, "CURVE server's key", CurveKeys.checked(serverKey))
            try socket.set(ZMQ_CURVE_PUBLICKEY, "CURVE public key", CurveKeys.checked(publicKey))
            try socket.set(ZMQ_CURVE_SECRETKEY, "CURVE secret key", CurveKeys.checked(secretKey))
        }
    }
}

/// Options that can be asked for, so that a test sees what libzmq really runs with.
package enum ZeroMQReadableOption: CaseIterable, Sendable {
    case linger, maximumMessageSize, sendHighWater, receiveHighWater, immediate, reconnectInterval
    case reconnectIntervalMaximum, handshakeInterval, connectTimeout, retransmitTimeout, keepalive, keepaliveIdle
    case keepaliveInterval, keepaliveCount, backlog, ipv6, heartbeatInterval, curveServer

    fileprivate var number: Int32 {
        switch self {
        case .linger: ZMQ_LINGER
        case .maximumMessageSize: ZMQ_MAXMSGSIZE
        case .sendHighWater: ZMQ_SNDHWM
        case .receiveHighWater: ZMQ_RCVHWM
        case .immediate: ZMQ_IMMEDIATE
        case .reconnectInterval: ZMQ_RECONNECT_IVL
        case .reconnectIntervalMaximum: ZMQ_RECONNECT_IVL_MAX
        case .handshakeInterval: ZMQ_HANDSHAKE_IVL
        case .connectTimeout: ZMQ_CONNECT_TIMEOUT
        case .retransmitTimeout: ZMQ_TCP_MAXRT
        case .keepalive: ZMQ_TCP_KEEPALIVE
        case .keepaliveIdle: ZMQ_TCP_KEEPALIVE_IDLE
        case .keepaliveInterval: ZMQ_TCP_KEEPALIVE_INTVL
        case .keepaliveCount: ZMQ_TCP_KEEPALIVE_CNT
        case .backlog: ZMQ_BACKLOG
        case .ipv6: ZMQ_IPV6
        case .heartbeatInterval: ZMQ_HEARTBEAT_IVL
        case .curveServer: ZMQ_CURVE_SERVER
        }
    }
}

extension ZeroMQSocket {
    /// The option as libzmq has it.
    package func value(of option: ZeroMQReadableOption) throws(ZeroMQError) -> Int64 {
        option == .maximumMessageSize ? try wideInteger(option.number) : Int64(try integer(option.number))
    }

    /// The ZAP domain; empty without one.
    package func zapDomain() throws(ZeroMQError) -> String { try text(ZMQ_ZAP_DOMAIN) }
}

/// zmq_setsockopt by the type of the value.
struct ZeroMQOptionSetter {
    let socket: UnsafeMutableRawPointer

    func set<Value: FixedWidthInteger>(_ option: Int32, _ name: String, _ value: Value) throws(ZeroMQError) {
        var value = value
        let status = zmq_setsockopt(socket, option, &value, MemoryLayout<Value>.size)
        guard status == 0 else { throw ZeroMQError.last("set option", name) }
    }

    func set(_ option: Int32, _ name: String, _ value: [UInt8]) throws(ZeroMQError) {
        guard zmq_setsockopt(socket, option, value, value.count) == 0 else {
            throw ZeroMQError.last("set option", name)
        }
    }
}
