package import Digest

/// A revocation with the proof that its signer may revoke, as it is gossiped and stored: anybody who has the root's public key
/// can check it, whoever passed it on.
///
/// Layout: `"MXRV"` `version u8` `grant` (optional: none when the root itself signed) `revocation`, both signed payloads.
package struct RevocationNotice: Hashable, Sendable {
    private static let magic: [UInt8] = Array("MXRV".utf8)

    /// Nil when the root itself signed.
    package let grant: SignedPayload<RevocationGrant>?
    package let revocation: SignedPayload<Revocation>

    package init(grant: SignedPayload<RevocationGrant>?, revocation: SignedPayload<Revocation>) {
        self.grant = grant
        self.revocation = revocation
    }

    package var subject: RevocationSubject { revocation.value.subject }

    /// Names this very notice; another one about the same subject has another id.
    package var id: Digest256 { BLAKE2b.digest(encoded) }

    /// Whether bytes from the wire claim to be a notice and not a signed frame.
    package static func isClaimed(by bytes: [UInt8]) -> Bool { bytes.starts(with: magic) }
}

extension RevocationNotice: WireCodable {
    package func encode(to writer: inout WireWriter) {
        writer.append(raw: Self.magic)
        writer.write(SignedFrame.wireVersion)
        writer.write(optional: grant) { $1.encode(to: &$0) }
        revocation.encode(to: &writer)
    }

    package init(from reader: inout WireReader) throws(WireError) {
        guard Array(try reader.readRaw(Self.magic.count, "revocation magic")) == Self.magic else {
            throw .malformed(field: "revocation magic")
        }
        let version = try reader.read(UInt8.self, "revocation version")
        guard version == SignedFrame.wireVersion else { throw .unsupportedVersion(UInt64(version)) }
        grant = try reader.readOptional("revocation grant") {
            (reader) throws(WireError) in try SignedPayload<RevocationGrant>(from: &reader)
        }
        revocation = try SignedPayload(from: &reader)
    }
}
