import Digest

/// The one request on the bootstrap port, which has no CURVE: exactly 64 bytes, so that it can't be made to work hard.
///
/// Layout: `"MXBOOT"` `version u8` `reserved u8` `cluster 32` `nonce 24`.
package struct BootstrapRequest: Hashable, Sendable {
    package static let nonceSize = 24
    private static let magic: [UInt8] = Array("MXBOOT".utf8)

    package let cluster: ClusterID
    /// Random, so that an old answer can't be played back.
    package let nonce: [UInt8]

    /// Nil unless `nonce` has `nonceSize` bytes.
    package init?(cluster: ClusterID, nonce: [UInt8]) {
        guard nonce.count == Self.nonceSize else { return nil }
        self.cluster = cluster
        self.nonce = nonce
    }
}

extension BootstrapRequest: WireCodable {
    package func encode(to writer: inout WireWriter) {
        writer.append(raw: Self.magic)
        writer.write(SignedFrame.wireVersion)
        writer.write(UInt8(0))
        writer.write(cluster)
        writer.append(raw: nonce)
    }

    package init(from reader: inout WireReader) throws(WireError) {
        guard Array(try reader.readRaw(Self.magic.count, "bootstrap magic")) == Self.magic else {
            throw .malformed(field: "bootstrap magic")
        }
        let version = try reader.read(UInt8.self, "bootstrap version")
        guard version == SignedFrame.wireVersion else { throw .unsupportedVersion(UInt64(version)) }
        guard try reader.read(UInt8.self, "bootstrap reserved") == 0 else {
            throw .malformed(field: "bootstrap reserved")
        }
        cluster = try reader.readIdentifier("bootstrap cluster")
        nonce = Array(try reader.readRaw(Self.nonceSize, "bootstrap nonce"))
    }
}

/// Who answers on a bootstrap port: enough to check it against the root and to connect with CURVE. Signed by the answering peer.
package struct BootstrapAnswer: Hashable, Sendable {
    package let nonce: [UInt8]
    package let chain: CertificateChain
    package let endpoints: Endpoints
    /// Milliseconds since 1970 at the answering peer, so that a joiner can tell that its own clock is off.
    package let time: Int64

    package init(nonce: [UInt8], chain: CertificateChain, endpoints: Endpoints, time: Int64) {
        self.nonce = nonce
        self.chain = chain
        self.endpoints = endpoints
        self.time = time
    }
}

extension BootstrapAnswer: SignedRecord {
    package static var purpose: Purpose { .bootstrapAnswer }

    package func encode(to writer: inout WireWriter) {
        writer.write(nonce)
        chain.encode(to: &writer)
        endpoints.encode(to: &writer)
        writer.write(time)
    }

    package init(from reader: inout WireReader) throws(WireError) {
        nonce = try reader.readBytes("bootstrap nonce", limit: BootstrapRequest.nonceSize)
        chain = try CertificateChain(from: &reader)
        endpoints = try Endpoints(from: &reader)
        time = try reader.readSigned("bootstrap time")
    }
}
