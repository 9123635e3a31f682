/// Why there is no TLS: a file that can't be used, or a handshake that failed.
package enum TLSError: Error, Hashable, Sendable {
    case unreadable(path: String, reason: String)
    case noCertificate(path: String, reason: String)
    case noKey(path: String, reason: String)
    /// The key is protected by a passphrase, which nobody is there to give.
    case lockedKey(path: String)
    case mismatch(certificate: String, key: String)
    case noAuthorities(path: String, reason: String)
    /// What OpenSSL says.
    case library(String)
}

extension TLSError: CustomStringConvertible {
    package var description: String {
        switch self {
        case .unreadable(let path, let reason): "can't read \(path): \(reason)"
        case .noCertificate(let path, let reason):
            "\(path) holds no certificate in PEM form (\(reason)); it should begin with the server's own, and the "
                + "intermediate ones after it"
        case .noKey(let path, let reason): "\(path) holds no private key in PEM form (\(reason))"
        case .lockedKey(let path):
            "the private key in \(path) is protected by a passphrase; store it without one, readable by this user alone"
        case .mismatch(let certificate, let key):
            "the private key in \(key) does not belong to the certificate in \(certificate); were they made together?"
        case .noAuthorities(let path, let reason): "\(path) holds no certificates to trust in PEM form (\(reason))"
        case .library(let reason): "TLS failed: \(reason)"
        }
    }
}
