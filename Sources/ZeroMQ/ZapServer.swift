import Telemetry

/// Answers libzmq's question, for every handshake of a context's sockets that have a ZAP domain, whether the other side
/// may connect. One for each context, made before any of these sockets is bound, on the loop's thread.
///
/// A decision holds for the life of the connection: libzmq asks once.
package final class ZapServer {
    private static let endpoint = "inproc://zeromq.zap.01"
    private let socket: ZeroMQSocket
    private let loop: ZeroMQLoop

    /// - Parameter decide: called on the loop's thread; it must not wait.
    package init(
        context: ZeroMQContext, loop: ZeroMQLoop, decide: @escaping (ZapRequest) -> ZapDecision
    ) throws(ZeroMQError) {
        // A ROUTER, which ZAP allows beside REP: a request that can't be read leaves it in no odd state.
        socket = try ZeroMQSocket(context: context, kind: .router)
        self.loop = loop
        try socket.bind(Self.endpoint)
        // Without self, which holds the loop: neither would ever go.
        let answers = ZapAnswers(socket: socket, decide: decide)
        loop.add(socket) { answers.answer($0) }
    }

    /// Ends it: later handshakes of sockets with a ZAP domain fail. Again does nothing.
    package func close() {
        loop.remove(socket)
        socket.close()
    }
}

/// Decodes requests, asks, and sends the answers.
private struct ZapAnswers {
    private static let refused = decisions("refused")
    private static let accepted = decisions("accepted")
    private static let malformed = decisions("malformed")

    let socket: ZeroMQSocket
    let decide: (ZapRequest) -> ZapDecision
    private let log = Log(component: "zap")

    init(socket: ZeroMQSocket, decide: @escaping (ZapRequest) -> ZapDecision) {
        self.socket = socket
        self.decide = decide
    }

    /// Frames before the request: the asking session's routing id and an empty delimiter.
    func answer(_ message: ZeroMQMessage) {
        guard message.frames.count >= 2, message.frames[1].isEmpty else {
            Self.malformed.increment()
            return
        }
        let reply: [[UInt8]]
        switch ZapCodec.decode(message.frames[2...]) {
        case .malformed(let id, let reason):
            Self.malformed.increment()
            log.warning("a connection was refused", [("reason", reason)])
            reply = ZapCodec.reply(id: id, .refuse(code: ZapCodec.refusedCode, reason: reason))
        case .request(let id, let request):
            let decision = decide(request)
            count(decision, request)
            reply = ZapCodec.reply(id: id, decision)
        }
        do throws(ZeroMQError) {
            // False when the connection has gone meanwhile.
            _ = try socket.send(Array(message.frames[..<2]) + reply)
        } catch {
            if !error.isTerminated { log.error("an answer to a handshake could not be sent", [("error", error)]) }
        }
    }

    private func count(_ decision: ZapDecision, _ request: ZapRequest) {
        switch decision {
        case .accept: Self.accepted.increment()
        case .refuse(let code, let reason):
            Self.refused.increment()
            // Whoever floods us decides how often this is said.
            log.debug(
                "a connection was refused",
                [("domain", request.domain), ("peer.address", request.address), ("status", code), ("reason", reason)])
        }
    }

    private static func decisions(_ decision: String) -> Counter {
        Metrics.shared.counter(
            "modelexpress_zap_decisions_total", help: "Handshakes by what the ZAP handler said.",
            labels: [("decision", decision)])
    }
}
