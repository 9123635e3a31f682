import Digest
import Records

// Both ends of a lane prove that they hold the lease's session key, over TCP and over the Unix socket alike:
//
//     reader -> source   offset  0  4 bytes  magic "MXLN"
//                                4  1        version, 1
//                                5  1        lane kind (1 shared memory, 2 verbs, 3 UCX, 4 TCP)
//                                6  2        zero
//                                8  32       lease
//                               40  32       reader's nonce
//     source -> reader   offset  0  4 bytes  magic "MXLN"
//                                4  1        version, 1
//                                5  3        zero
//                                8  32       source's nonce
//                               40  32       source's proof
//     reader -> source   offset  0  32 bytes reader's proof
//
// A proof is BLAKE2b-256(session key | role | lane kind | lease | reader's nonce | source's nonce). The source answers an
// unknown lease with the proof of a random key, and ends the connection only after the reader's proof: who has no key can't
// tell an unknown lease from a wrong key. Nothing follows from the source; requests may follow the reader's proof at once.

/// What a reader says first.
struct LaneHello: Equatable {
    static let size = 72

    let kind: LaneKind
    let lease: LeaseID
    let nonce: Digest256
}

extension LaneHello: WireCodable {
    func encode(to writer: inout WireWriter) {
        writer.append(raw: LaneHandshake.magic)
        writer.write(LaneHandshake.version)
        writer.write(kind.rawValue)
        writer.write(UInt16(0))
        writer.write(lease)
        writer.write(nonce)
    }

    init(from reader: inout WireReader) throws(WireError) {
        try LaneHandshake.checkMagic(&reader)
        kind = try LaneKind(from: &reader)
        guard try reader.read(UInt16.self, "hello padding") == 0 else { throw .malformed(field: "hello padding") }
        lease = try reader.readIdentifier("hello lease")
        nonce = try reader.readDigest("hello nonce")
    }
}

/// What a source answers.
struct LaneAnswer: Equatable {
    static let size = 72

    let nonce: Digest256
    let proof: Digest256
}

extension LaneAnswer: WireCodable {
    func encode(to writer: inout WireWriter) {
        writer.append(raw: LaneHandshake.magic)
        writer.write(LaneHandshake.version)
        writer.append(raw: [0, 0, 0])
        writer.write(nonce)
        writer.write(proof)
    }

    init(from reader: inout WireReader) throws(WireError) {
        try LaneHandshake.checkMagic(&reader)
        guard Array(try reader.readRaw(3, "answer padding")) == [0, 0, 0] else {
            throw .malformed(field: "answer padding")
        }
        nonce = try reader.readDigest("answer nonce")
        proof = try reader.readDigest("answer proof")
    }
}

/// The rules of a lane's handshake, without a socket.
enum LaneHandshake {
    static let magic = Array("MXLN".utf8)
    static let version: UInt8 = 1

    /// Who proves. The tag keeps one side's proof from being sent back as the other's.
    enum Role: String {
        case source = "modelexpress lane source"
        case reader = "modelexpress lane reader"
    }

    static func proof(of role: Role, sessionKey: Digest256, hello: LaneHello, sourceNonce: Digest256) -> Digest256 {
        var writer = WireWriter()
        writer.write(sessionKey)
        writer.write(role.rawValue)
        writer.write(hello.kind.rawValue)
        writer.write(hello.lease)
        writer.write(hello.nonce)
        writer.write(sourceNonce)
        return BLAKE2b.digest(writer.bytes)
    }

    /// Compares in a time that doesn't depend on where the proofs differ.
    static func isEqual(_ left: Digest256, _ right: Digest256) -> Bool {
        var difference: UInt8 = 0
        for (one, other) in zip(left.bytes, right.bytes) { difference |= one ^ other }
        return difference == 0
    }

    /// 256 bits that nobody can foresee, from the system's generator.
    static func randomDigest() -> Digest256 {
        var generator = SystemRandomNumberGenerator()
        var writer = WireWriter()
        for _ in 0..<4 { writer.write(UInt64.random(in: 0...UInt64.max, using: &generator)) }
        return Digest256(writer.bytes) ?? .zero
    }

    static func checkMagic(_ reader: inout WireReader) throws(WireError) {
        guard Array(try reader.readRaw(magic.count, "magic")) == magic else { throw .malformed(field: "magic") }
        let version = try reader.read(UInt8.self, "lane version")
        guard version == Self.version else { throw .unsupportedVersion(UInt64(version)) }
    }
}
