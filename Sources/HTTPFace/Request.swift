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
    /// What stands behind the path's question mark, still encoded; empty without one.
    var query = ""
    /// `If-None-Match`, as it came: the tags of what the client has; empty without one.
    var knownTags = ""
    /// The client may send another request after this one.
    var keepsAlive: Bool
    /// The client speaks HTTP/1.0, to which keeping alive must be confirmed.
    var isVersion10: Bool

    /// Whether the client has what the tag names. Weak tags count: all our answers with one tag are the same bytes.
    func knows(_ tag: String) -> Bool {
        knownTags.split(separator: ",").contains { listed in
            var word = listed.drop { $0 == " " || $0 == "\t" }
            while word.last == " " || word.last == "\t" { word.removeLast() }
            if word.hasPrefix("W/") { word.removeFirst(2) }
            return word == "*" || word == "\"\(tag)\""
        }
    }
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
