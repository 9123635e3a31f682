package import Digest
package import Records

/// Verifies Ed25519 signatures. Production uses libsodium; the simulator verifies each distinct signature once.
package protocol SignatureVerifier: Sendable {
    func isValid(_ signature: Signature, of message: [UInt8], by key: Digest256) -> Bool
}

/// Signs with one Ed25519 key that it never shows.
package protocol MessageSigner: Sendable {
    var publicKey: Digest256 { get }
    func sign(_ message: [UInt8]) -> Signature
}

extension MessageSigner {
    /// Signs a record for its purpose in `cluster`.
    package func sign<Record: SignedRecord>(_ record: Record, cluster: ClusterID) -> SignedPayload<Record> {
        let payload = record.encoded
        let signature = sign(Record.purpose.signingBytes(cluster: cluster, payload: payload))
        return SignedPayload(record, payload: payload, signature: signature)
    }

    /// Signs a record and puts it into the frame in which it travels, this signer being its author.
    package func frame<Record: SignedRecord>(_ record: Record, cluster: ClusterID) -> SignedFrame {
        let signed = sign(record, cluster: cluster)
        return SignedFrame(
            purpose: Record.purpose, author: PeerID(publicKey), payload: signed.payload, signature: signed.signature)
    }
}
