import CLinux
import Digest
import Glibc
package import Records
import Signing
package import Trust

/// The files of a cluster's root key: `root.key` (0600) and `root.pub`.
package enum ClusterKeyFiles {
    static let rootPrefix = "mxroot1:"
    static let publicPrefix = "mxcluster1:"

    /// Makes a new cluster: a root key that must be kept, and its public half.
    ///
    /// - Throws: `exists` when there is a root key already: it would end a cluster.
    package static func create(in directory: StateDirectory) throws(ConfigurationError) -> TrustAnchor {
        try directory.create()
        guard access(directory.rootKey, F_OK) != 0 else {
            throw .exists(
                path: directory.rootKey, advice: "a cluster's root key is never overwritten; choose another folder")
        }
        let (signer, seed) = Ed25519Signer.generate()
        let anchor = TrustAnchor(rootKey: signer.publicKey)
        try SecretFile.write("\(rootPrefix)\(Hexadecimal.encode(seed))\n", to: directory.rootKey, isNew: true)
        try SecretFile.write("\(publicPrefix)\(anchor.rootKey)\n", to: directory.rootPublicKey)
        return anchor
    }

    /// Loads the root key, which signs tokens.
    package static func load(from directory: StateDirectory) throws(ConfigurationError) -> ClusterRoot {
        try loadRoot(directory.rootKey)
    }

    static func loadRoot(_ path: String) throws(ConfigurationError) -> ClusterRoot {
        let text = try SecretFile.read(path, isPrivate: true)
        guard let seed = decode(text, prefix: rootPrefix), let signer = Ed25519Signer(seed: seed) else {
            throw .malformed(path: path, what: "a root key")
        }
        return ClusterRoot(signer: signer)
    }

    static func decodePublic(_ text: String, _ path: String) throws(ConfigurationError) -> TrustAnchor {
        guard let bytes = decode(text, prefix: publicPrefix), let key = Digest256(bytes) else {
            throw .malformed(path: path, what: "a cluster's public key")
        }
        return TrustAnchor(rootKey: key)
    }

    static func decode(_ text: String, prefix: String) -> [UInt8]? {
        var line = text[...]
        while let last = line.last, last.isNewline || last == " " { line.removeLast() }
        guard line.hasPrefix(prefix) else { return nil }
        return Hexadecimal.decode(line.dropFirst(prefix.count))
    }
}

/// A join token as people carry it: one line of text that holds the cluster's public key, the grant and the delegated key.
package enum TokenFile {
    static let prefix = "mxtoken1:"

    /// Grants a new token and gives its text, which is a secret: who reads it can make peers within its limits.
    ///
    /// - Parameters: times are milliseconds; `peers` is how many of its peers a view keeps, 0 for no limit.
    package static func make(
        root: ClusterRoot, roles: Roles, modelPrefixes: [String], certificateLife: Int64, peers: UInt32 = 0,
        notBefore: Int64, notAfter: Int64
    ) -> String {
        let (delegate, seed) = Ed25519Signer.generate()
        let grant = root.grant(
            delegatedKey: delegate.publicKey, roles: roles, modelPrefixes: modelPrefixes,
            certificateLife: certificateLife, peers: peers, notBefore: notBefore, notAfter: notAfter)
        var writer = WireWriter()
        writer.write(root.anchor.rootKey)
        grant.encode(to: &writer)
        writer.append(raw: seed)
        return "\(prefix)\(Hexadecimal.encode(writer.bytes))"
    }

    /// Whether a text is a token, or was meant to be one.
    package static func isToken(_ text: String) -> Bool { text.hasPrefix(prefix) }

    /// Reads the text of a token from a file.
    package static func load(_ path: String) throws(ConfigurationError) -> TokenHolder {
        guard access(path, F_OK) == 0 else { throw .noToken(path: path) }
        // A token in a Kubernetes Secret is mounted 0644 into a pod of its own, so its mode is not judged.
        return try decode(try SecretFile.read(path, isPrivate: false), path: path)
    }

    /// Checks the grant against the root key that comes with it; `path` is for messages.
    package static func decode(_ text: String, path: String) throws(ConfigurationError) -> TokenHolder {
        guard let bytes = ClusterKeyFiles.decode(text, prefix: prefix) else {
            throw .malformed(path: path, what: "a join token")
        }
        do {
            var reader = WireReader(bytes)
            let anchor = TrustAnchor(rootKey: try reader.readDigest("root key"))
            let grant = try SignedPayload<TokenGrant>(from: &reader)
            let seed = try reader.readRaw(Ed25519Signer.seedLength, "delegated key")
            try reader.finish()
            guard let delegate = Ed25519Signer(seed: Array(seed)),
                Ed25519Verifier().isValid(
                    grant.signature, of: grant.signingBytes(cluster: anchor.cluster), by: anchor.rootKey)
            else { throw ConfigurationError.malformed(path: path, what: "a join token") }
            return try TokenHolder(anchor: anchor, grant: grant, delegate: delegate)
        } catch {
            throw .malformed(path: path, what: "a join token")
        }
    }
}
