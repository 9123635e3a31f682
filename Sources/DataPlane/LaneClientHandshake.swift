import Digest
import EventThread
import Records

extension LaneOpening {
    /// The reader's side of LaneHandshake. Both ends are proved when it returns.
    func shakeHands(over socket: Socket) throws(LaneError) {
        let deadline = MonotonicClock.now() + LaneLimits.openTimeout
        let hello = LaneHello(kind: offer.kind, lease: tag.lease, nonce: LaneHandshake.randomDigest())
        let bytes = try Self.exchange { () throws(SocketFailure) in
            try socket.send(hello.encoded, until: deadline)
            return try socket.receive(LaneAnswer.size, until: deadline)
        }
        let answer = try Self.decode(bytes)
        let expected = LaneHandshake.proof(
            of: .source, sessionKey: sessionKey, hello: hello, sourceNonce: answer.nonce)
        guard LaneHandshake.isEqual(answer.proof, expected) else { throw .refused }
        let proof = LaneHandshake.proof(of: .reader, sessionKey: sessionKey, hello: hello, sourceNonce: answer.nonce)
        try Self.exchange { () throws(SocketFailure) in try socket.send(proof.bytes, until: deadline) }
    }

    private static func decode(_ bytes: [UInt8]) throws(LaneError) -> LaneAnswer {
        do throws(WireError) {
            return try LaneAnswer(decoding: bytes)
        } catch {
            throw .protocolViolation(error.description)
        }
    }

    /// A source that has no place left ends the connection before it answers.
    private static func exchange<Result>(
        _ body: () throws(SocketFailure) -> Result
    ) throws(LaneError) -> Result {
        do throws(SocketFailure) {
            return try body()
        } catch {
            throw .unreachable("during the handshake: \(error)")
        }
    }
}
