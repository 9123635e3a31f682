package import Records
import Signing
package import Trust

/// Any file of keys, told by what is in it; never its secrets.
package enum KeyFile: Sendable {
    case root(TrustAnchor)
    case cluster(TrustAnchor)
    case token(TrustAnchor, TokenGrant)
    case revocationKey(TrustAnchor, RevocationGrant)
    case revocations(RevocationFile.Content)

    /// - Throws: `malformed` for a file of another kind, `exposed` for a root or revocation key that others may read.
    package static func load(_ path: String) throws(ConfigurationError) -> KeyFile {
        let text = try SecretFile.read(path, isPrivate: false, sizeLimit: RevocationFile.sizeLimit)
        if text.hasPrefix(ClusterKeyFiles.rootPrefix) {
            return .root(try ClusterKeyFiles.loadRoot(path).anchor)
        }
        if text.hasPrefix(ClusterKeyFiles.publicPrefix) {
            return .cluster(try ClusterKeyFiles.decodePublic(text, path))
        }
        if text.hasPrefix(TokenFile.prefix) {
            let token = try TokenFile.decode(text, path: path)
            return .token(token.anchor, token.grant.value)
        }
        if text.hasPrefix(RevocationKeyFile.prefix) {
            let issuer = try RevocationKeyFile.load(path)
            guard let grant = issuer.grant else { throw .malformed(path: path, what: "a revocation key") }
            return .revocationKey(issuer.anchor, grant.value)
        }
        let content = RevocationFile.parse(text)
        guard !content.notices.isEmpty || path.hasSuffix("/revocations") else {
            throw .malformed(path: path, what: "a key, a token or a list of revocations")
        }
        return .revocations(content)
    }
}
