/// Why a server's HTTP API gave no answer. Programs end with `ExitCodes.unreachable`, for bad addresses with `usage`.
package enum HTTPQueryError: Error, Hashable {
    case encrypted(url: String)
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
        case .encrypted(let url):
            "\(url) asks for TLS, which this program does not speak; forward a local port to the server "
                + "(for example with `kubectl port-forward` or a proxy) and use its http:// address"
        case .notAnAddress(let url):
            "\"\(url)\" is no server address; expected one like http://modelexpress-server:8080"
        case .unreachable(let url, let reason): "can't reach the server at \(url): \(reason)"
        case .silent(let url): "the server at \(url) does not answer in time"
        case .tooLarge(let url): "the answer of \(url) is larger than \(LocalLimits.answer) bytes"
        case .badAnswer(let url, let reason): "\(url) gave no answer of a ModelExpress server: \(reason)"
        case .status(let url, let code): "\(url) answered with HTTP status \(code); is it a ModelExpress server?"
        }
    }
}
