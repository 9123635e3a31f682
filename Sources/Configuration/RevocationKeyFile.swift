import Digest
import Records
import Signing
package import Trust

/// `revocation.key` (0600): the private half of a revocation key with the root's grant, one line of text. Whoever has it can revoke
/// tokens, peers and introductions of the cluster, and nothing else.
package enum RevocationKeyFile {
    static let prefix = "mxrevocationkey1:"

    /// Makes a new revocation key and its text, which is a secret.
    ///
    /// - Parameters: times are milliseconds since 1970.
    package static func make(
        root: ClusterRoot, notBefore: Int64, notAfter: Int64
    ) -> (text: String, issuer: RevocationIssuer) {
        let (signer, seed) = Ed25519Signer.generate()
        let grant = root.grant(revocationKey: signer.publicKey, notBefore: notBefore, notAfter: notAfter)
        guard let issuer = try? RevocationIssuer(anchor: root.anchor, grant: grant, signer: signer) else {
            preconditionFailure("the grant was just made for this key")
        }
        var writer = WireWriter()
        writer.write(root.anchor.rootKey)
        grant.encode(to: &writer)
        writer.append(raw: seed)
        return ("\(prefix)\(Hexadecimal.encode(writer.bytes))", issuer)
    }

    package static func load(_ path: String) throws(ConfigurationError) -> RevocationIssuer {
        try decode(try SecretFile.read(path, isPrivate: true), path: path)
    }

    /// Checks the grant against the root key that comes with it; `path` is for messages.
    static func decode(_ text: String, path: String) throws(ConfigurationError) -> RevocationIssuer {
        guard let bytes = ClusterKeyFiles.decode(text, prefix: prefix) else {
            throw .malformed(path: path, what: "a revocation key")
        }
        do {
            var reader = WireReader(bytes)
            let anchor = TrustAnchor(rootKey: try reader.readDigest("root key"))
            let grant = try SignedPayload<RevocationGrant>(from: &reader)
            let seed = try reader.readRaw(Ed25519Signer.seedLength, "revocation key")
            try reader.finish()
            guard let signer = Ed25519Signer(seed: Array(seed)),
                Ed25519Verifier().isValid(
                    grant.signature, of: grant.signingBytes(cluster: anchor.cluster), by: anchor.rootKey)
            else { throw ConfigurationError.malformed(path: path, what: "a revocation key") }
            return try RevocationIssuer(anchor: anchor, grant: grant, signer: signer)
        } catch {
            throw .malformed(path: path, what: "a revocation key")
        }
    }
}
