import EventThread
import Glibc

/// An answer: status, type and body.
struct Response: Hashable, Sendable {
    enum Status: Int, Sendable {
        case fine = 200
        case notModified = 304
        case badRequest = 400
        case notFound = 404
        case methodNotAllowed = 405
        case requestTimeout = 408
        case contentTooLarge = 413
        case targetTooLong = 414
        case headersTooLarge = 431
        case unavailable = 503
        case versionNotSupported = 505

        var reason: String {
            switch self {
            case .fine: "OK"
            case .notModified: "Not Modified"
            case .badRequest: "Bad Request"
            case .notFound: "Not Found"
            case .methodNotAllowed: "Method Not Allowed"
            case .requestTimeout: "Request Timeout"
            case .contentTooLarge: "Content Too Large"
            case .targetTooLong: "URI Too Long"
            case .headersTooLarge: "Request Header Fields Too Large"
            case .unavailable: "Service Unavailable"
            case .versionNotSupported: "HTTP Version Not Supported"
            }
        }
    }

    enum ContentType: String, Sendable {
        case json = "application/json"
        case text = "text/plain; charset=utf-8"
        case metrics = "text/plain; version=0.0.4; charset=utf-8"
        case html = "text/html; charset=utf-8"
        case styles = "text/css; charset=utf-8"
        case script = "text/javascript; charset=utf-8"
        case image = "image/svg+xml"

        /// What a browser may run or show as a page.
        var isPartOfPage: Bool {
            switch self {
            case .html, .styles, .script, .image: true
            case .json, .text, .metrics: false
            }
        }
    }

    /// All that a page may load, ask and be shown in: this server, and no frame.
    private static let pagePolicy =
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; "
        + "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"

    var status: Status
    var type: ContentType
    var body: [UInt8]
    /// Names exactly these bytes at their address; a client may keep them, and asks with it whether they still hold. Nil: it
    /// may not.
    var tag: String?

    /// The answer to a client that may have it already.
    func revalidated(for request: Request) -> Response {
        guard status == .fine, let tag, request.knows(tag) else { return self }
        return Response(status: .notModified, type: type, body: [], tag: tag)
    }

    static func json(_ status: Status, _ text: String) -> Response {
        Response(status: status, type: .json, body: Array("\(text)\n".utf8))
    }

    static func error(_ status: Status, _ sentence: String) -> Response {
        json(status, "{\"error\":\(JSONText.quoted(sentence))}")
    }

    static func refusal(_ refusal: RequestRefusal, maximumBytes: Int) -> Response {
        switch refusal {
        case .malformed(let how): error(.badRequest, "this is not an HTTP/1.1 request: \(how)")
        case .lineTooLong:
            error(.targetTooLong, "a request line may have \(HTTPLimits.requestLineBytes) bytes")
        case .headTooLarge:
            error(.headersTooLarge, "a request may have \(HTTPLimits.headers) headers and \(maximumBytes) bytes")
        case .bodyTooLarge: error(.contentTooLarge, "a request may announce \(maximumBytes) bytes, and needs none")
        case .unknownVersion: error(.versionNotSupported, "this server speaks HTTP/1.1 and HTTP/1.0")
        }
    }

    /// As it goes on the wire; HEAD gets everything but the body.
    func encoded(isHead: Bool, closes: Bool, confirmsKeepAlive: Bool) -> [UInt8] {
        var head = "HTTP/1.1 \(status.rawValue) \(status.reason)\r\n"
        head += "Date: \(HTTPDate.text(milliseconds: WallClock.now()))\r\n"
        if status != .notModified { head += "Content-Type: \(type.rawValue)\r\nContent-Length: \(body.count)\r\n" }
        head += tag.map { "ETag: \"\($0)\"\r\nCache-Control: no-cache\r\n" } ?? "Cache-Control: no-store\r\n"
        head += "X-Content-Type-Options: nosniff\r\n"
        if type.isPartOfPage {
            head += "Content-Security-Policy: \(Self.pagePolicy)\r\nReferrer-Policy: no-referrer\r\n"
        }
        if status == .methodNotAllowed { head += "Allow: GET, HEAD\r\n" }
        if closes { head += "Connection: close\r\n" } else if confirmsKeepAlive { head += "Connection: keep-alive\r\n" }
        return Array("\(head)\r\n".utf8) + (isHead ? [] : body)
    }
}

/// The date format of HTTP, in English whatever the locale.
enum HTTPDate {
    private static let days = ["Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"]
    private static let months = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"]

    /// - Parameter milliseconds: since 1970, UTC.
    static func text(milliseconds: Int64) -> String {
        var seconds = time_t(milliseconds / 1000)
        var parts = tm()
        gmtime_r(&seconds, &parts)
        let clock = [parts.tm_hour, parts.tm_min, parts.tm_sec].map(twoDigits).joined(separator: ":")
        let day = "\(days[Int(parts.tm_wday)]), \(twoDigits(parts.tm_mday)) \(months[Int(parts.tm_mon)])"
        return "\(day) \(parts.tm_year + 1900) \(clock) GMT"
    }

    private static func twoDigits(_ number: Int32) -> String { number < 10 ? "0\(number)" : "\(number)" }
}

/// Strings as JSON has them.
enum JSONText {
    static func quoted(_ text: String) -> String {
        var quoted = "\""
        for scalar in text.unicodeScalars {
            switch scalar {
            case "\"": quoted += "\\\""
            case "\\": quoted += "\\\\"
            case _ where scalar.value < 0x20:
                let digits = String(scalar.value, radix: 16)
                quoted += "\\u" + String(repeating: "0", count: 4 - digits.count) + digits
            default: quoted.unicodeScalars.append(scalar)
            }
        }
        return quoted + "\""
    }
}
