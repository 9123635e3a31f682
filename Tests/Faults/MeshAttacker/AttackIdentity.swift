package import Records
package import Signing
package import Trust

/// Keys of a peer that may say anything in its own name, and a chain for them.
package struct AttackIdentity: Sendable {
    package let secrets = ProcessSecrets()
    package let chain: CertificateChain

    /// - Parameter wall: when the certificate was made, milliseconds since 1970.
    package init(token: TokenHolder, wall: Int64) throws(TrustError) {
        chain = try token.certify(peer: PeerID(secrets.signer.publicKey), curveKey: secrets.curveKey, atWall: wall)
    }

    package var peer: PeerID { chain.peer }

    package var keys: AttackKeys { AttackKeys(publicKey: secrets.curveKey, secretKey: secrets.curveSecretKey) }

    package func frame<Record: SignedRecord>(_ record: Record) -> [UInt8] {
        secrets.signer.frame(record, cluster: chain.certificate.value.cluster).encoded
    }

    /// A peer record without a face that anybody could connect to.
    package func record(sequence: UInt64 = 1, issuedAt: Int64, chain other: CertificateChain? = nil) -> PeerRecord {
        PeerRecord(
            version: Version(incarnation: UInt64(max(issuedAt, 0)), sequence: sequence),
            validity: Validity(issuedAt: issuedAt, term: 8_000), chain: other ?? chain,
            endpoints: Endpoints(host: "127.0.0.1", bootstrapPort: 0, controlPort: 1, gossipPort: 1), name: "attacker",
            zone: "", host: "")
    }

    package func hello(atWall wall: Int64) -> [UInt8] {
        ControlMessage.hello(record: frame(record(issuedAt: wall))).encoded
    }
}

/// A CURVE key pair.
package struct AttackKeys: Sendable {
    package let publicKey: CurveKey
    package let secretKey: [UInt8]

    package init(publicKey: CurveKey, secretKey: [UInt8]) {
        self.publicKey = publicKey
        self.secretKey = secretKey
    }

    /// Keys that nobody vouches for.
    package static func unknown() -> AttackKeys {
        let secrets = ProcessSecrets()
        return AttackKeys(publicKey: secrets.curveKey, secretKey: secrets.curveSecretKey)
    }
}
