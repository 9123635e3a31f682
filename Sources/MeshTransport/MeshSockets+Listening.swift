import Digest
import EventThread
import Records
import Telemetry
import ZeroMQ

/// The sockets that others connect to.
extension MeshSockets {
    private static let controlDomain = SocketRole.control.rawValue
    private static let gossipDomain = SocketRole.gossip.rawValue

    /// Binds both sockets; returns their ports.
    package func bind(
        address: String, controlPort: UInt16, gossipPort: UInt16
    ) throws(PeerHostError) -> (control: UInt16, gossip: UInt16) {
        do {
            zap = try ZapServer(context: context, loop: loop) { [unowned self] in decide($0) }
            let router = try watched(.router, serverOptions(.control), .control) { [unowned self] in
                routerReceived($1, at: $0)
            }
            listening[.control] = Listening(socket: router)
            let publisher = try watched(.xpub, serverOptions(.gossip), .gossip) { [unowned self] in
                publisherReceived($1, at: $0)
            }
            listening[.gossip] = Listening(socket: publisher)
        } catch {
            throw .system("can't make the mesh's sockets: \(error)")
        }
        return (try bind(.control, address, controlPort), try bind(.gossip, address, gossipPort))
    }

    private func watched(
        _ kind: ZeroMQSocketKind, _ options: ZeroMQSocketOptions, _ role: SocketRole,
        _ onMessage: @escaping (WatchedSocket, ZeroMQMessage) -> Void
    ) throws(ZeroMQError) -> WatchedSocket {
        let socket = try WatchedSocket(
            context: context, loop: loop, kind: kind, options: options, role: role, metrics: metrics,
            onMessage: onMessage)
        socket.onStranger = { [unowned self] in hastenWatch() }
        return socket
    }

    private func bind(
        _ role: SocketRole, _ address: String, _ port: UInt16
    ) throws(PeerHostError) -> UInt16 {
        let endpoint = "tcp://\(Self.bracketed(address)):\(port == 0 ? "*" : String(port))"
        do {
            let bound = try listening[role]?.socket.socket.bind(endpoint) ?? ""
            listening[role]?.endpoint = bound
            listening[role]?.isBound = true
            guard let text = bound.split(separator: ":").last, let number = UInt16(text) else {
                throw PeerHostError.system("\(endpoint) was bound as \(bound), which has no port")
            }
            return number
        } catch let error as PeerHostError {
            throw error
        } catch {
            throw .bind(what: role.rawValue, address: "\(address):\(port)", reason: "\(error)")
        }
    }

    private func serverOptions(_ role: SocketRole) -> ZeroMQSocketOptions {
        var options = ZeroMQSocketOptions()
        options.curve = .server(secretKey: secretKey)
        options.zapDomain = role.rawValue
        options.backlog = backlog
        switch role {
        case .control:
            options.maximumMessageSize = Int64(WireLimits.controlMessage + TransportLimits.frameAllowance)
            options.routerMandatory = true
            options.sendHighWater = TransportLimits.controlQueue
            options.receiveHighWater = TransportLimits.controlQueue
        case .gossip:
            options.maximumMessageSize = Int64(TransportLimits.subscriptionMessage)
            options.sendHighWater = TransportLimits.gossipQueue
            options.receiveHighWater = TransportLimits.controlQueue
        }
        return options
    }

    private func decide(_ request: ZapRequest) -> ZapDecision {
        guard case .curve(let bytes) = request.mechanism, let key = CurveKey(bytes: bytes) else {
            return .refuse(code: 400, reason: "CURVE is needed")
        }
        let now = MonotonicClock.now()
        let mayConnect =
            request.domain == Self.controlDomain
            ? admissions.mayConnect(key, from: request.address, now: now)
            : admissions.maySubscribe(key, isOurChannel: hasChannel(to: key), now: now)
        return mayConnect ? .accept(userID: key.description) : .refuse(code: 400, reason: "not admitted")
    }

    // MARK: Receiving

    private func routerReceived(_ message: ZeroMQMessage, at socket: WatchedSocket) {
        guard let key = Self.sender(of: message), let routingID = message.frames.first else { return }
        socket.count(message, from: key)
        let now = MonotonicClock.now()
        let bytes = message.frames.dropFirst().reduce(0) { $0 + $1.count }
        let sender: PeerID?
        switch admissions.judge(key, routingID: routingID, bytes: bytes, now: now) {
        case .from(let peer):
            socket.prove(message)
            sender = peer
        case .onProbation: sender = nil
        case .dropped(let reason, let isFinal): return drop(message, reason, isFinal: isFinal, at: socket)
        }
        guard message.frames.count == 2 else { return drop(message, .malformed, isFinal: false, at: socket) }
        take(message, message.frames[1], of: key, from: sender, at: socket, now)
    }

    /// Hands a control message on; what a stranger says but a greeting is dropped.
    func take(
        _ message: ZeroMQMessage, _ payload: [UInt8], of key: CurveKey, from peer: PeerID?, at socket: WatchedSocket,
        _ now: UInt64
    ) {
        guard payload.count <= WireLimits.controlMessage else {
            return drop(message, .oversized, isFinal: true, at: socket)
        }
        if payload.first == Self.greeting, case .hello(let record)? = try? ControlMessage(decoding: payload) {
            guard admissions.mayGreet(key, now: now) else {
                return drop(message, .overBudget, isFinal: false, at: socket)
            }
            onHello?(key, record)
        } else if let peer {
            onMessage?(peer, payload)
        } else {
            drop(message, .unknown, isFinal: false, at: socket)
        }
    }

    /// The first byte of a hello: other messages needn't be decoded to see that they are none.
    private static let greeting = ControlMessage.hello(record: []).encoded.first

    /// Subscriptions are read so that their queue stays empty; who may subscribe was ZAP's question.
    private func publisherReceived(_ message: ZeroMQMessage, at socket: WatchedSocket) {
        guard let key = Self.sender(of: message) else { return }
        socket.count(message, from: key)
        let isOurChannel = hasChannel(to: key)
        switch admissions.judgeSubscription(key, isOurChannel: isOurChannel, now: MonotonicClock.now()) {
        case .dropped(let reason, let isFinal): drop(message, reason, isFinal: isFinal, at: socket)
        case .from, .onProbation: socket.prove(message)
        }
    }

    private func hasChannel(to key: CurveKey) -> Bool { channels.values.contains { $0.key == key } }

    private static func sender(of message: ZeroMQMessage) -> CurveKey? {
        message.userID.flatMap { Digest256(hexadecimal: $0) }.map { CurveKey($0) }
    }

    // MARK: Binding anew

    /// Ends all connections to the socket, so that ZAP decides on each again. At most once in `rebindPeriod`: everybody pays.
    func rebind(_ role: SocketRole) {
        let now = MonotonicClock.now()
        guard let entry = listening[role], entry.isBound, now >= entry.nextRebind else { return }
        listening[role]?.nextRebind = now + TransportLimits.rebindPeriod
        log.warning("a socket is bound anew, to cut a flooder's connection", [("socket", role.rawValue)])
        metrics.countRebind(role)
        do {
            try entry.socket.socket.unbind(entry.endpoint)
        } catch {
            log.error("a socket can't be unbound", [("socket", role.rawValue), ("error", error)])
            return
        }
        listening[role]?.isBound = false
        entry.socket.forgetConnections()
        if role == .control { admissions.forgetRoutes() }
        bindAgain(role)
    }

    private func bindAgain(_ role: SocketRole) {
        guard !isClosed, let entry = listening[role] else { return }
        do {
            _ = try entry.socket.socket.bind(entry.endpoint)
            listening[role]?.isBound = true
        } catch {
            if !error.isAddressInUse { log.error("a socket can't be bound anew", [("error", error)]) }
            thread.schedule(after: error.isAddressInUse ? TransportLimits.rebindRetry : Duration64.second) {
                [weak self] in self?.bindAgain(role)
            }
        }
    }
}
