import Digest
import EventThread
import Records
import Telemetry

/// What all connections of a source share.
struct ConnectionContext: Sendable {
    let registry: LeaseRegistry
    /// Nanoseconds.
    let handshakeTimeout: UInt64
    let limiter: RateLimiter?
    let fabric: VerbsFabric?
    let ucx: UCXFabric?
    /// Of lanes over RDMA, which begin as connections over TCP.
    let verbsMetrics = LaneMetrics(.verbs, .sent)
    let ucxMetrics = LaneMetrics(.ucx, .sent)
    let onServed: @Sendable (LeaseID, UInt64) -> Void
}

/// Serves one connection from its first byte to its end, on one thread.
struct ConnectionServer: Sendable {
    let socket: Socket
    let connection: UInt64
    let kind: LaneKind
    let context: ConnectionContext
    let metrics: LaneMetrics

    func run() {
        metrics.openConnections.add(1)
        var end = serve()
        // A reset: what is still in the socket's buffer must not outlive the lease.
        socket.abort()
        if context.registry.leave(connection) { end = .displaced }
        metrics.openConnections.add(-1)
        guard let reason = end.reason else { return }
        metrics.countFailure(reason)
        Log(component: "lanes").debug(
            "closed a connection", [("lane", kind.word), ("reason", reason), ("detail", "\(end)")])
    }

    private func serve() -> ConnectionEnd {
        do throws(ConnectionEnd) {
            let (lease, spoken) = try shakeHands()
            switch spoken {
            case .tcp:
                SocketEndpoints.tuneTCP(socket)
                var service = ChunkService(
                    socket: socket, lease: lease, limiter: context.limiter, metrics: metrics,
                    onServed: context.onServed)
                try service.run()
            case .sharedMemory: try DescriptorService(socket: socket, lease: lease).run()
            case .verbs:
                SocketEndpoints.tuneTCP(socket)
                context.verbsMetrics.openConnections.add(1)
                defer { context.verbsMetrics.openConnections.add(-1) }
                try VerbsService(socket: socket, lease: lease, fabric: context.fabric).run()
            case .ucx:
                SocketEndpoints.tuneTCP(socket)
                context.ucxMetrics.openConnections.add(1)
                defer { context.ucxMetrics.openConnections.add(-1) }
                try UCXService(socket: socket, lease: lease, fabric: context.ucx).run()
            }
            return .finished
        } catch {
            return error
        }
    }

    /// See LaneHandshake. Both refusals look the same from outside, up to the reset after the reader's proof.
    private func shakeHands() throws(ConnectionEnd) -> (ServedLease, LaneKind) {
        let deadline = MonotonicClock.now() + context.handshakeTimeout
        let hello = try receiveHello(until: deadline)
        context.registry.noteHello(of: connection)
        let lease = context.registry.lease(hello.lease)
        let key = lease?.sessionKey ?? LaneHandshake.randomDigest()
        let nonce = LaneHandshake.randomDigest()
        let answer = LaneAnswer(
            nonce: nonce,
            proof: LaneHandshake.proof(of: .source, sessionKey: key, hello: hello, sourceNonce: nonce))
        let proof: Digest256?
        do throws(SocketFailure) {
            try socket.send(answer.encoded, until: deadline)
            proof = Digest256(try socket.receive(Digest256.byteCount, until: deadline))
        } catch {
            throw ConnectionEnd(receiving: error)
        }
        let expected = LaneHandshake.proof(of: .reader, sessionKey: key, hello: hello, sourceNonce: nonce)
        guard let proof, LaneHandshake.isEqual(proof, expected), let lease,
            context.registry.bind(connection, to: lease.lease)
        else { throw .refused }
        return (lease, hello.kind)
    }

    private func receiveHello(until deadline: UInt64) throws(ConnectionEnd) -> LaneHello {
        let bytes: [UInt8]
        do throws(SocketFailure) {
            bytes = try socket.receive(LaneHello.size, until: deadline)
        } catch {
            throw ConnectionEnd(receiving: error)
        }
        guard let hello = try? LaneHello(decoding: bytes),
            hello.kind == kind || (kind == .tcp && [.verbs, .ucx].contains(hello.kind))
        else {
            throw .garbage("the first bytes are no hello of this lane")
        }
        return hello
    }
}
