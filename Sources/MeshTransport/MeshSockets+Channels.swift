import EventThread
package import Records
import Telemetry
import ZeroMQ

/// The sockets to neighbours.
extension MeshSockets {
    /// Bytes of a peer's name in its topic.
    private static let topicName = 8

    package func connect(_ peer: PeerID, _ key: CurveKey, _ endpoints: Endpoints, now: UInt64) {
        guard channels[peer] == nil, endpoints.controlPort != 0, !admissions.isBlocked(key, now: now) else { return }
        let endpoint = "tcp://\(Self.bracketed(endpoints.host)):\(endpoints.controlPort)"
        guard let dealer = openDealer(to: peer, key, endpoint) else { return }
        channels[peer] = Channel(dealer: dealer, key: key, endpoint: endpoint, failingSince: now)
    }

    package func subscribe(_ peer: PeerID, _ key: CurveKey, _ endpoints: Endpoints) {
        guard channels[peer] != nil, endpoints.gossipPort != 0 else { return }
        channels[peer]?.gossipEndpoint = "tcp://\(Self.bracketed(endpoints.host)):\(endpoints.gossipPort)"
        openSubscriber(peer)
    }

    package func unsubscribe(_ peer: PeerID) {
        channels[peer]?.subscriber?.close()
        channels[peer]?.subscriber = nil
        channels[peer]?.resubscribeAt = nil
    }

    package func disconnect(_ peer: PeerID) {
        admissions.remove(peer)
        closeChannel(peer)
    }

    func closeChannel(_ peer: PeerID) {
        guard let channel = channels.removeValue(forKey: peer) else { return }
        channel.dealer.close()
        channel.subscriber?.close()
    }

    // MARK: Opening

    private func openDealer(to peer: PeerID, _ key: CurveKey, _ endpoint: String) -> WatchedSocket? {
        var options = clientOptions(
            key, messageSize: WireLimits.controlMessage, queue: TransportLimits.controlQueue)
        // Nothing is queued for a peer that isn't there.
        options.immediate = true
        do {
            let dealer = try WatchedSocket(
                context: context, loop: loop, kind: .dealer, options: options, role: .control, metrics: metrics
            ) { [unowned self] in dealerReceived($1, from: peer, key, at: $0) }
            dealer.onChange = { [unowned self] change in
                guard case .lost = change else { return }
                metrics.channelsLost.increment()
                onDisconnected?(peer)
            }
            try dealer.connect(endpoint)
            return dealer
        } catch {
            log.warning("can't open a channel", [("peer.id", peer.short), ("reason", "\(error)")])
            return nil
        }
    }

    /// Asked for again after an edge was down: libzmq may have given the old one up.
    func openSubscriber(_ peer: PeerID) {
        guard let channel = channels[peer] else { return }
        unsubscribe(peer)
        do {
            let options = clientOptions(
                channel.key, messageSize: WireLimits.gossipFrame, queue: TransportLimits.gossipQueue)
            // XSUB, since a SUB swallows what it hasn't asked for before anybody can count it.
            let subscriber = try WatchedSocket(
                context: context, loop: loop, kind: .xsub, options: options, role: .gossip, metrics: metrics
            ) { [unowned self] in subscriberReceived($1, from: peer, channel.key, at: $0) }
            subscriber.onChange = { [unowned self] change in
                guard case .refused = change else { return }
                channels[peer]?.resubscribeAt = MonotonicClock.now() + TransportLimits.resubscribe
            }
            try subscriber.connect(channel.gossipEndpoint, subscribing: Self.topic(of: local))
            channels[peer]?.subscriber = subscriber
        } catch {
            log.warning("can't listen to a neighbour", [("peer.id", peer.short), ("reason", "\(error)")])
        }
    }

    private func clientOptions(_ key: CurveKey, messageSize: Int, queue: Int32) -> ZeroMQSocketOptions {
        var options = ZeroMQSocketOptions()
        options.curve = .client(serverKey: key.bytes, publicKey: publicKey.bytes, secretKey: secretKey)
        options.maximumMessageSize = Int64(messageSize + TransportLimits.frameAllowance)
        options.sendHighWater = queue
        options.receiveHighWater = queue
        return options
    }

    // MARK: Receiving

    private func dealerReceived(
        _ message: ZeroMQMessage, from peer: PeerID, _ key: CurveKey, at socket: WatchedSocket
    ) {
        socket.count(message, from: key)
        let now = MonotonicClock.now()
        let bytes = message.frames.reduce(0) { $0 + $1.count }
        if case .dropped(let reason, let isFinal) = admissions.judgeControl(key, of: peer, bytes: bytes, now: now) {
            return dropFromChannel(message, reason, isFinal: isFinal, peer, at: socket)
        }
        guard message.frames.count == 1 else { return drop(message, .malformed, isFinal: false, at: socket) }
        take(message, message.frames[0], of: key, from: peer, at: socket, now)
    }

    private func subscriberReceived(
        _ message: ZeroMQMessage, from peer: PeerID, _ key: CurveKey, at socket: WatchedSocket
    ) {
        socket.count(message, from: key)
        let bytes = message.frames.reduce(0) { $0 + $1.count }
        let verdict = admissions.judgeGossip(key, of: peer, bytes: bytes, now: MonotonicClock.now())
        if case .dropped(let reason, let isFinal) = verdict {
            return dropFromChannel(message, reason, isFinal: isFinal, peer, at: socket)
        }
        guard message.frames.count == 3, message.frames[0] == Self.topic(of: local),
            let head = try? GossipHead(decoding: message.frames[1])
        else { return drop(message, .malformed, isFinal: false, at: socket) }
        guard message.frames[2].count <= WireLimits.gossipFrame else {
            return drop(message, .oversized, isFinal: true, at: socket)
        }
        onGossip?(peer, head, message.frames[2])
    }

    /// A flood ends the channel, and the mesh is told that its peer is out of reach.
    private func dropFromChannel(
        _ message: ZeroMQMessage, _ reason: DroppedFrame, isFinal: Bool, _ peer: PeerID, at socket: WatchedSocket
    ) {
        drop(message, reason, isFinal: isFinal, at: socket)
        guard isFinal, channels[peer] != nil else { return }
        closeChannel(peer)
        onDisconnected?(peer)
    }

    // MARK: Sending

    /// Sends on our channel to the peer, else on the peer's channel to us. What nobody takes is dropped: the mesh repairs.
    package func send(_ message: ControlMessage, to peer: PeerID, now: UInt64) {
        let payload = message.encoded
        if let channel = channels[peer] {
            if (try? channel.dealer.socket.send([payload])) == true {
                channels[peer]?.failingSince = nil
                return
            }
            reopenIfStuck(peer, channel, now)
        }
        guard let routingID = admissions.route(to: peer) else { return }
        _ = try? listening[.control]?.socket.socket.send([routingID, payload])
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
        channel.dealer.close()
        channels[peer]?.dealer = dealer
        channels[peer]?.failingSince = now
    }

    /// Each neighbour listens to a topic of its own, so that a frame needn't go back to where it came from, and the counter
    /// of an edge shows exactly what was dropped on it.
    package func publish(to peer: PeerID, _ head: GossipHead, frame: [UInt8]) {
        _ = try? listening[.gossip]?.socket.socket.send([Self.topic(of: peer), head.encoded, frame])
    }

    static func topic(of subscriber: PeerID) -> [UInt8] {
        Array("g".utf8) + subscriber.bytes.prefix(topicName)
    }
}
