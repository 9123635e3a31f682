package import Digest

/// An Ed25519 signature, 64 bytes.
package struct Signature: Hashable, Sendable {
    package static let byteCount = 64
    package let bytes: [UInt8]

    /// Takes exactly 64 bytes; anything else gives nil.
    package init?(_ bytes: some Collection<UInt8>) {
        guard bytes.count == Self.byteCount else { return nil }
        self.bytes = Array(bytes)
    }
}

extension Signature: WireCodable {
    package func encode(to writer: inout WireWriter) { writer.append(raw: bytes) }

    package init(from reader: inout WireReader) throws(WireError) {
        bytes = Array(try reader.readRaw(Self.byteCount, "signature"))
    }
}

/// What a signature is for. A signature for one purpose says nothing about another, since the tag is inside what is signed.
package enum Purpose: UInt8, Sendable, CaseIterable {
    case token = 1
    case certificate = 2
    case peerRecord = 3
    case announcement = 4
    case beacon = 5
    case introduction = 6
    case bootstrapAnswer = 7
    case digestSegment = 8
    case revocation = 9
    case snapshot = 10
    case revocationGrant = 11

    /// The exact bytes that are signed: a tag with purpose and wire version, the cluster, the payload.
    package func signingBytes(cluster: ClusterID, payload: [UInt8]) -> [UInt8] {
        let tag = Self.tags[Int(rawValue)]
        var bytes: [UInt8] = []
        bytes.reserveCapacity(tag.count + Digest256.byteCount + payload.count)
        bytes += tag
        bytes += cluster.bytes
        bytes += payload
        return bytes
    }

    /// By raw value: every signature that is checked needs one.
    private static let tags: [[UInt8]] = {
        var tags = [[UInt8]](repeating: [], count: (allCases.map { Int($0.rawValue) }.max() ?? 0) + 1)
        for purpose in allCases {
            tags[Int(purpose.rawValue)] = Array("modelexpress/\(purpose)/\(SignedFrame.wireVersion)".utf8) + [0]
        }
        return tags
    }()
}

/// A record that says for which purpose it is signed.
package protocol SignedRecord: WireCodable, Hashable {
    static var purpose: Purpose { get }
}

extension TokenGrant: SignedRecord { package static var purpose: Purpose { .token } }
extension Certificate: SignedRecord { package static var purpose: Purpose { .certificate } }

/// A value with the exact bytes that were signed: what is kept and passed on is never encoded a second time.
package struct SignedPayload<Value: SignedRecord>: Hashable, Sendable {
    package let value: Value
    package let payload: [UInt8]
    package let signature: Signature

    /// `payload` must be what `signature` covers; the caller has just made both.
    package init(_ value: Value, payload: [UInt8], signature: Signature) {
        self.value = value
        self.payload = payload
        self.signature = signature
    }

    package func signingBytes(cluster: ClusterID) -> [UInt8] {
        Value.purpose.signingBytes(cluster: cluster, payload: payload)
    }
}

extension SignedPayload: WireCodable {
    package func encode(to writer: inout WireWriter) {
        writer.write(payload)
        signature.encode(to: &writer)
    }

    package init(from reader: inout WireReader) throws(WireError) {
        payload = try reader.readBytes("signed payload", limit: WireLimits.signedPayload)
        value = try Value(decoding: payload)
        signature = try Signature(from: &reader)
    }
}

/// A signed record as it travels and as it is stored: wire version, purpose, author, payload, signature.
///
/// Layout: `"MX"` `version u8` `purpose u8` `author 32` `count u32` `payload` `signature 64`, little-endian.
package struct SignedFrame: Hashable, Sendable {
    package static let wireVersion: UInt8 = 1
    private static let magic: [UInt8] = Array("MX".utf8)

    package let purpose: Purpose
    package let author: PeerID
    package let payload: [UInt8]
    package let signature: Signature

    package init(purpose: Purpose, author: PeerID, payload: [UInt8], signature: Signature) {
        self.purpose = purpose
        self.author = author
        self.payload = payload
        self.signature = signature
    }

    package func signingBytes(cluster: ClusterID) -> [UInt8] {
        purpose.signingBytes(cluster: cluster, payload: payload)
    }

    /// Names the whole frame, signature included: the key of a seen-set.
    package var digest: Digest256 { BLAKE2b.digest(encoded) }
}

extension SignedFrame {
    /// Looks at the head of a frame without decoding it; nil for what is too short or begins differently.
    package static func head(of bytes: [UInt8]) -> (version: UInt8, purpose: UInt8, author: PeerID)? {
        guard bytes.count >= 36, bytes[0] == magic[0], bytes[1] == magic[1],
            let author = PeerID(bytes: bytes[4..<36])
        else { return nil }
        return (bytes[2], bytes[3], author)
    }
}

extension SignedFrame: WireCodable {
    package func encode(to writer: inout WireWriter) {
        writer.append(raw: Self.magic)
        writer.write(Self.wireVersion)
        writer.write(purpose.rawValue)
        writer.write(author)
        writer.write(payload)
        signature.encode(to: &writer)
    }

    package init(from reader: inout WireReader) throws(WireError) {
        guard Array(try reader.readRaw(2, "frame magic")) == Self.magic else { throw .malformed(field: "frame magic") }
        let version = try reader.read(UInt8.self, "frame version")
        guard version == Self.wireVersion else { throw .unsupportedVersion(UInt64(version)) }
        let rawPurpose = try reader.read(UInt8.self, "frame purpose")
        guard let purpose = Purpose(rawValue: rawPurpose) else {
            throw .unknownValue(field: "frame purpose", value: UInt64(rawPurpose))
        }
        self.purpose = purpose
        author = try reader.readIdentifier("frame author")
        payload = try reader.readBytes("frame payload", limit: WireLimits.signedPayload)
        signature = try Signature(from: &reader)
    }
}
