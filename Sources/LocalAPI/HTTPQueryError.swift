/// Why a server's HTTP API gave no answer. Programs end with `ExitCodes.unreachable`, for bad addresses with `usage`.
package enum HTTPQueryError: Error, Hashable {
    /// Certificates to trust were given for an address without TLS.
    case notEncrypted(url: String)
    /// The server is there, and TLS with it failed.
    case insecure(url: String, reason: String)
    case notAnAddress(url: String)
    case unreachable(url: String, reason: String)
    case silent(url: String)
    case tooLarge(url: String)
    case badAnswer(url: String, reason: String)
    /// The server answered with an HTTP error and said no more.
    case status(url: String, code: Int)
}

extension HTTPQueryError: CustomStringConvertible {
    package var description: String {
        switch self {
        case .notEncrypted(let url):
            "certificates to trust are given, and \(url) asks for no TLS; use the server's https:// address"
        case .insecure(let url, let reason):
            "no TLS with the server at \(url): \(reason); name the file of the authority that signed its certificate "
                + "with --server-ca, and the server as its certificate does"
        case .notAnAddress(let url):
            "\"\(url)\" is no server address; expected one like http://modelexpress-server:8080 or https://modelexpress-server:8443"
        case .unreachable(let url, let reason): "can't reach the server at \(url): \(reason)"
        case .silent(let url): "the server at \(url) does not answer in time"
        case .tooLarge(let url): "the answer of \(url) is larger than \(LocalLimits.answer) bytes"
        case .badAnswer(let url, let reason): "\(url) gave no answer of a ModelExpress server: \(reason)"
        case .status(let url, 400) where url.hasPrefix("http://"):
            "\(url) answered with HTTP status 400; if its port speaks TLS, ask with https://"
        case .status(let url, let code): "\(url) answered with HTTP status \(code); is it a ModelExpress server?"
        }
    }
}
