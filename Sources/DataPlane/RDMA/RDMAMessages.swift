import Digest
import EventThread
import Records

// A lane over RDMA begins like a TCP lane: a connection to the source's data port, and LaneHandshake. Over it both sides then
// say what they connect. Both messages carry a proof with the lease's session key, so nobody between the two can lead a rail
// elsewhere. The connection stays: its end is the lease's end for the reader, and the reader's end for the source, at once and
// not after the retries of a device. Integers are little-endian.
//
//     message    offset  0  4 bytes  length of the body, at most 4096
//                        4  n        body: VerbsRequest or UCXRequest from the reader, VerbsAnswer or UCXAnswer from the source
//                      4+n  32       BLAKE2b-256(session key | lane and role | body)

/// Messages with proofs, on a connection whose ends have shaken hands.
struct RDMAMessages {
    enum Role: String {
        case reader
        case source
    }

    enum Failure: Error {
        case socket(SocketFailure)
        case garbage(String)
        /// The proof is not one of the lease's session key.
        case unproved
    }

    /// A reason, cut to what a message may hold.
    static func bounded(_ reason: String) -> String {
        var reason = reason
        while reason.utf8.count > LaneLimits.rdmaReason { reason.removeLast() }
        return reason
    }

    let socket: Socket
    let sessionKey: Digest256
    /// Whose messages they are: those of one lane prove nothing on another.
    let kind: LaneKind

    func send(_ message: some WireCodable, as role: Role) throws(SocketFailure) {
        let body = message.encoded
        var writer = WireWriter()
        writer.write(body)
        writer.write(proof(of: body, as: role))
        try socket.send(writer.bytes, until: MonotonicClock.now() + LaneLimits.openTimeout)
    }

    func receive<Message: WireCodable>(_: Message.Type, from role: Role) throws(Failure) -> Message {
        let deadline = MonotonicClock.now() + LaneLimits.openTimeout
        let (body, proof) = try receive(until: deadline)
        guard let proof, LaneHandshake.isEqual(proof, self.proof(of: body, as: role)) else { throw .unproved }
        do throws(WireError) {
            return try Message(decoding: body)
        } catch {
            throw .garbage(error.description)
        }
    }

    private func receive(until deadline: UInt64) throws(Failure) -> ([UInt8], Digest256?) {
        do throws(SocketFailure) {
            let head = try socket.receive(4, until: deadline)
            let length = head.reversed().reduce(0) { $0 << 8 | Int($1) }
            guard length <= LaneLimits.rdmaMessage else { return ([], nil) }
            let body = length == 0 ? [] : try socket.receive(length, until: deadline)
            return (body, Digest256(try socket.receive(Digest256.byteCount, until: deadline)))
        } catch {
            throw .socket(error)
        }
    }

    private func proof(of body: [UInt8], as role: Role) -> Digest256 {
        var writer = WireWriter()
        writer.write(sessionKey)
        writer.write("modelexpress \(kind.word) \(role.rawValue)")
        writer.append(raw: body)
        return BLAKE2b.digest(writer.bytes)
    }
}
