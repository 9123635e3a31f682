import Digest
import EventThread
import Records
import Telemetry
import ZeroMQ

/// The ZeroMQ sockets of one peer, confined to its thread: a ROUTER and an XPUB that others connect to, a DEALER and a SUB for
/// each neighbour. Every one of them speaks CURVE; ZAP admits keys as `Admissions` says.
final class MeshSockets {
    private static let controlDomain = "control"
    private static let gossipDomain = "gossip"
    /// Bytes of a peer's name in its topic.
    private static let topicName = 8

    private struct Channel {
        var dealer: ZeroMQSocket
        let key: CurveKey
        let endpoint: String
        /// Since when no message was taken; nil while they are.
        var failingSince: UInt64?
        var subscriber: ZeroMQSocket?
    }

    private let local: PeerID
    private let context: ZeroMQContext
    private let loop: ZeroMQLoop
    private let publicKey: CurveKey
    private let secretKey: [UInt8]
    private var zap: ZapServer?
    private var router: ZeroMQSocket?
    private var publisher: ZeroMQSocket?
    private var channels: [PeerID: Channel] = [:]
    var admissions = Admissions()
    private let log = Log(component: "mesh")
    /// A message from an admitted channel or a neighbour.
    var onMessage: ((PeerID, [UInt8]) -> Void)?
    /// A hello, with the CURVE key that its channel proved: never the one that the record claims.
    var onHello: ((CurveKey, [UInt8]) -> Void)?
    var onGossip: ((PeerID, GossipHead, [UInt8]) -> Void)?

    init(
        thread: EventThread, local: PeerID, publicKey: CurveKey, secretKey: [UInt8], ioThreads: Int
    ) throws(ZeroMQError) {
        self.local = local
        context = try ZeroMQContext(ioThreads: ioThreads)
        loop = ZeroMQLoop(thread: thread)
        self.publicKey = publicKey
        self.secretKey = secretKey
    }

    // MARK: Sockets that others connect to

    /// Binds both sockets; returns their ports.
    func bind(
        address: String, controlPort: UInt16, gossipPort: UInt16
    ) throws(PeerHostError) -> (control: UInt16, gossip: UInt16) {
        do {
            zap = try ZapServer(context: context, loop: loop) { [unowned self] in decide($0) }
            let router = try ZeroMQSocket(
                context: context, kind: .router,
                options: serverOptions(domain: Self.controlDomain, messageSize: WireLimits.controlMessage))
            let publisher = try ZeroMQSocket(
                context: context, kind: .xpub,
                options: serverOptions(domain: Self.gossipDomain, messageSize: WireLimits.gossipFrame))
            self.router = router
            self.publisher = publisher
            loop.add(router) { [unowned self] in routerReceived($0) }
            // Subscriptions are read so that their queue stays empty; who may subscribe was ZAP's question.
            loop.add(publisher) { _ in }
        } catch {
            throw .system("can't make the mesh's sockets: \(error)")
        }
        return (
            try bind(router, "control", address, controlPort), try bind(publisher, "gossip", address, gossipPort)
        )
    }

    private func bind(
        _ socket: ZeroMQSocket?, _ what: String, _ address: String, _ port: UInt16
    ) throws(PeerHostError) -> UInt16 {
        let endpoint = "tcp://\(Self.bracketed(address)):\(port == 0 ? "*" : String(port))"
        do {
            let bound = try socket?.bind(endpoint) ?? ""
            guard let text = bound.split(separator: ":").last, let number = UInt16(text) else {
                throw PeerHostError.system("\(endpoint) was bound as \(bound), which has no port")
            }
            return number
        } catch let error as PeerHostError {
            throw error
        } catch {
            throw .bind(what: what, address: "\(address):\(port)", reason: "\(error)")
        }
    }

    private func serverOptions(domain: String, messageSize: Int) -> ZeroMQSocketOptions {
        var options = ZeroMQSocketOptions()
        options.curve = .server(secretKey: secretKey)
        options.zapDomain = domain
        options.maximumMessageSize = Int64(messageSize)
        options.routerMandatory = true
        if domain == Self.controlDomain { options.sendHighWater = TransportLimits.controlQueue }
        return options
    }

    private func decide(_ request: ZapRequest) -> ZapDecision {
        guard case .curve(let bytes) = request.mechanism, let key = CurveKey(bytes: bytes) else {
            return .refuse(code: 400, reason: "CURVE is needed")
        }
        if admissions.isAdmitted(key) { return .accept(userID: key.description) }
        guard request.domain == Self.controlDomain, admissions.hasRoomForProbation else {
            return .refuse(code: 400, reason: "not admitted")
        }
        return .accept(userID: key.description)
    }

    private func routerReceived(_ message: ZeroMQMessage) {
        guard message.frames.count == 2, let user = message.userID, let digest = Digest256(hexadecimal: user) else {
            return
        }
        let key = CurveKey(digest)
        let (routingID, payload) = (message.frames[0], message.frames[1])
        let peer = admissions.peer(of: key)
        if peer != nil {
            admissions.heard(from: key, routingID: routingID)
        } else if !admissions.heardOnProbation(from: key, routingID: routingID) {
            return
        }
        if case .hello(let record)? = try? ControlMessage(decoding: payload) {
            onHello?(key, record)
        } else if let peer {
            onMessage?(peer, payload)
        }
    }

    // MARK: Sockets to neighbours

    func connect(_ peer: PeerID, _ key: CurveKey, _ endpoints: Endpoints, now: UInt64) {
        guard channels[peer] == nil, endpoints.controlPort != 0 else { return }
        let endpoint = "tcp://\(Self.bracketed(endpoints.host)):\(endpoints.controlPort)"
        guard let dealer = openDealer(to: peer, key, endpoint) else { return }
        channels[peer] = Channel(dealer: dealer, key: key, endpoint: endpoint, failingSince: now)
    }

    private func openDealer(to peer: PeerID, _ key: CurveKey, _ endpoint: String) -> ZeroMQSocket? {
        var options = clientOptions(key, messageSize: WireLimits.controlMessage)
        // Nothing is queued for a peer that isn't there.
        options.immediate = true
        options.sendHighWater = TransportLimits.controlQueue
        do {
            let dealer = try ZeroMQSocket(context: context, kind: .dealer, options: options)
            try dealer.connect(endpoint)
            loop.add(dealer) { [unowned self] message in
                guard let payload = message.frames.first, message.frames.count == 1 else { return }
                if case .hello(let record)? = try? ControlMessage(decoding: payload) {
                    onHello?(key, record)
                } else {
                    onMessage?(peer, payload)
                }
            }
            return dealer
        } catch {
            log.warning("can't open a channel", [("peer.id", peer.short), ("reason", "\(error)")])
            return nil
        }
    }

    func subscribe(_ peer: PeerID, _ key: CurveKey, _ endpoints: Endpoints) {
        guard let channel = channels[peer], endpoints.gossipPort != 0 else { return }
        // Asked for again after an edge was down: libzmq may have given the old one up.
        if let old = channel.subscriber { close(old) }
        channels[peer]?.subscriber = nil
        do {
            let subscriber = try ZeroMQSocket(
                context: context, kind: .sub, options: clientOptions(key, messageSize: WireLimits.gossipFrame))
            try subscriber.subscribe(Self.topic(of: local))
            try subscriber.connect("tcp://\(Self.bracketed(endpoints.host)):\(endpoints.gossipPort)")
            loop.add(subscriber) { [unowned self] message in
                guard message.frames.count == 3 else { return }
                guard let head = try? GossipHead(decoding: message.frames[1]) else { return }
                onGossip?(peer, head, message.frames[2])
            }
            channels[peer]?.subscriber = subscriber
        } catch {
            log.warning("can't listen to a neighbour", [("peer.id", peer.short), ("reason", "\(error)")])
        }
    }

    func unsubscribe(_ peer: PeerID) {
        guard let subscriber = channels[peer]?.subscriber else { return }
        close(subscriber)
        channels[peer]?.subscriber = nil
    }

    func disconnect(_ peer: PeerID) {
        admissions.remove(peer)
        guard let channel = channels.removeValue(forKey: peer) else { return }
        close(channel.dealer)
        if let subscriber = channel.subscriber { close(subscriber) }
    }

    private func clientOptions(_ key: CurveKey, messageSize: Int) -> ZeroMQSocketOptions {
        var options = ZeroMQSocketOptions()
        options.curve = .client(serverKey: key.bytes, publicKey: publicKey.bytes, secretKey: secretKey)
        options.maximumMessageSize = Int64(messageSize)
        return options
    }

    // MARK: Sending

    /// Sends on our channel to the peer, else on the peer's channel to us. What nobody takes is dropped: the mesh repairs.
    func send(_ message: ControlMessage, to peer: PeerID, now: UInt64) {
        let payload = message.encoded
        if let channel = channels[peer] {
            if (try? channel.dealer.send([payload])) == true {
                channels[peer]?.failingSince = nil
                return
            }
            reopenIfStuck(peer, channel, now)
        }
        guard let routingID = admissions.route(to: peer) else { return }
        _ = try? router?.send([routingID, payload])
    }

    /// libzmq gives a channel up for good when its handshake was refused; such a one is made anew. The subscription has a
    /// connection of its own, and stays.
    private func reopenIfStuck(_ peer: PeerID, _ channel: Channel, _ now: UInt64) {
        guard let since = channel.failingSince else {
            channels[peer]?.failingSince = now
            return
        }
        guard now >= since + TransportLimits.reopenChannel,
            let dealer = openDealer(to: peer, channel.key, channel.endpoint)
        else { return }
        close(channel.dealer)
        channels[peer]?.dealer = dealer
        channels[peer]?.failingSince = now
    }

    /// Each neighbour listens to a topic of its own, so that a frame needn't go back to where it came from, and the counter
    /// of an edge shows exactly what was dropped on it.
    func publish(to peer: PeerID, _ head: GossipHead, frame: [UInt8]) {
        _ = try? publisher?.send([Self.topic(of: peer), head.encoded, frame])
    }

    private static func topic(of subscriber: PeerID) -> [UInt8] {
        Array("g".utf8) + subscriber.bytes.prefix(topicName)
    }

    func close() {
        loop.removeAll()
        for channel in channels.values {
            channel.dealer.close()
            channel.subscriber?.close()
        }
        channels.removeAll()
        router?.close()
        publisher?.close()
        zap?.close()
        context.terminate()
    }

    private func close(_ socket: ZeroMQSocket) {
        loop.remove(socket)
        socket.close()
    }

    private static func bracketed(_ host: String) -> String { host.contains(":") ? "[\(host)]" : host }
}
