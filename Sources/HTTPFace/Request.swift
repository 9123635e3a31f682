/// What matters of a request's line and headers.
struct Request: Hashable, Sendable {
    enum Method: Hashable, Sendable {
        case get
        case head
        case other
    }

    var method: Method
    /// Without query; ASCII, starts with a slash unless it is "*".
    var path: String
    /// The client may send another request after this one.
    var keepsAlive: Bool
    /// The client speaks HTTP/1.0, to which keeping alive must be confirmed.
    var isVersion10: Bool
}

/// Why a request gets no answer from a route.
enum RequestRefusal: Error, Hashable {
    /// It breaks the rules of HTTP/1.1; says how.
    case malformed(String)
    case lineTooLong
    case headTooLarge
    case bodyTooLarge
    case unknownVersion
}
