/// Two frames that one peer signed with the same version of the same record and different payloads, with the peer's chain. It
/// proves itself: anybody who has the root's public key can check it, and nobody but the peer could have made it.
///
/// Layout: `"MXEP"` `version u8` `chain` `first` `second` (frames behind 32-bit counts), the frames in ascending order of their
/// bytes, so that the same two give the same proof.
package struct EquivocationProof: Hashable, Sendable {
    private static let magic: [UInt8] = Array("MXEP".utf8)

    package let chain: CertificateChain
    package let first: [UInt8]
    package let second: [UInt8]

    package init(_ one: [UInt8], _ other: [UInt8], by chain: CertificateChain) {
        self.chain = chain
        (first, second) = one.lexicographicallyPrecedes(other) ? (one, other) : (other, one)
    }

    /// Whether bytes from the wire claim to be a proof and not a signed frame.
    package static func isClaimed(by bytes: [UInt8]) -> Bool { bytes.starts(with: magic) }
}

extension EquivocationProof: WireCodable {
    package func encode(to writer: inout WireWriter) {
        writer.append(raw: Self.magic)
        writer.write(SignedFrame.wireVersion)
        chain.encode(to: &writer)
        writer.write(first)
        writer.write(second)
    }

    package init(from reader: inout WireReader) throws(WireError) {
        guard Array(try reader.readRaw(Self.magic.count, "proof magic")) == Self.magic else {
            throw .malformed(field: "proof magic")
        }
        let version = try reader.read(UInt8.self, "proof version")
        guard version == SignedFrame.wireVersion else { throw .unsupportedVersion(UInt64(version)) }
        chain = try CertificateChain(from: &reader)
        first = try reader.readBytes("first frame", limit: WireLimits.gossipFrame / 2)
        second = try reader.readBytes("second frame", limit: WireLimits.gossipFrame / 2)
        guard first.lexicographicallyPrecedes(second) else { throw .malformed(field: "proof order") }
    }
}
