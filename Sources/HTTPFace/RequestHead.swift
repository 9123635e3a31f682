/// A request line and the headers that came so far; of those, only what decides about the connection is kept.
struct RequestHead {
    private let method: Request.Method
    private let path: String
    private let query: String
    private var knownTags = ""
    private let isVersion10: Bool
    private var headers = 0
    private var hosts = 0
    private var contentLength: Int?
    private var isChunked = false
    private var saysClose = false
    private var saysKeepAlive = false

    init(line: ArraySlice<UInt8>) throws(RequestRefusal) {
        let words = line.split(separator: UInt8(ascii: " "), omittingEmptySubsequences: false)
        guard words.count == 3, !words[0].isEmpty, words[0].allSatisfy(Self.isTokenByte) else {
            throw .malformed("the request line is not METHOD TARGET VERSION")
        }
        switch words[0] {
        case _ where words[0].elementsEqual("GET".utf8): method = .get
        case _ where words[0].elementsEqual("HEAD".utf8): method = .head
        default: method = .other
        }
        isVersion10 = try Self.isVersion10(words[2])
        (path, query) = try Self.parts(of: words[1])
    }

    mutating func addHeader(line: ArraySlice<UInt8>) throws(RequestRefusal) {
        headers += 1
        guard headers <= HTTPLimits.headers else { throw .headTooLarge }
        guard let colon = line.firstIndex(of: UInt8(ascii: ":")), colon > line.startIndex,
            line[..<colon].allSatisfy(Self.isTokenByte)
        else { throw .malformed("a header is not NAME: VALUE") }
        let value = line[(colon + 1)...]
        guard value.allSatisfy({ $0 == 0x09 || ($0 >= 0x20 && $0 != 0x7F) }) else {
            throw .malformed("a header's value has control characters")
        }
        switch String(decoding: line[..<colon], as: UTF8.self).lowercased() {
        case "host": hosts += 1
        case "content-length": try setContentLength(value)
        case "transfer-encoding": isChunked = true
        case "connection": addConnectionOptions(value)
        case "if-none-match": knownTags += (knownTags.isEmpty ? "" : ",") + String(decoding: value, as: UTF8.self)
        default: return
        }
    }

    func request(maximumBodyBytes: Int) throws(RequestRefusal) -> Request {
        guard hosts == 1 || (isVersion10 && hosts == 0) else {
            throw .malformed("it has \(hosts) Host headers, not one")
        }
        guard contentLength == nil || !isChunked else {
            throw .malformed("it has both Content-Length and Transfer-Encoding")
        }
        guard contentLength ?? 0 <= maximumBodyBytes else { throw .bodyTooLarge }
        let hasBody = isChunked || contentLength ?? 0 > 0
        let wantsMore = isVersion10 ? saysKeepAlive && !saysClose : !saysClose
        return Request(
            method: method, path: path, query: query, knownTags: knownTags, keepsAlive: wantsMore && !hasBody,
            isVersion10: isVersion10)
    }

    private mutating func setContentLength(_ value: ArraySlice<UInt8>) throws(RequestRefusal) {
        let digits = value.split { $0 == 0x20 || $0 == 0x09 }
        guard contentLength == nil, digits.count == 1,
            digits[0].allSatisfy({ (UInt8(ascii: "0")...UInt8(ascii: "9")).contains($0) })
        else { throw .malformed("its Content-Length is not one number") }
        guard let length = Int(String(decoding: digits[0], as: UTF8.self)) else { throw .bodyTooLarge }
        contentLength = length
    }

    private mutating func addConnectionOptions(_ value: ArraySlice<UInt8>) {
        for option in value.split(whereSeparator: { $0 == UInt8(ascii: ",") || $0 == 0x20 || $0 == 0x09 }) {
            switch String(decoding: option, as: UTF8.self).lowercased() {
            case "close": saysClose = true
            case "keep-alive": saysKeepAlive = true
            default: continue
            }
        }
    }

    private static func isVersion10(_ word: ArraySlice<UInt8>) throws(RequestRefusal) -> Bool {
        if word.elementsEqual("HTTP/1.1".utf8) { return false }
        if word.elementsEqual("HTTP/1.0".utf8) { return true }
        let isVersion =
            word.count == 8 && word.starts(with: "HTTP/".utf8) && word[word.startIndex + 6] == UInt8(ascii: ".")
        throw isVersion ? .unknownVersion : .malformed("the request line doesn't end in HTTP/1.1")
    }

    /// Of "/path?query", "http://host/path?query" (which proxies send) or "*".
    private static func parts(of target: ArraySlice<UInt8>) throws(RequestRefusal) -> (path: String, query: String) {
        guard !target.isEmpty, target.allSatisfy({ $0 > 0x20 && $0 < 0x7F }) else {
            throw .malformed("its target has characters that must be percent-encoded")
        }
        var text = String(decoding: target, as: UTF8.self)[...]
        if text.lowercased().hasPrefix("http://") {
            text = text.dropFirst("http://".count).drop { $0 != "/" && $0 != "?" }
            if !text.hasPrefix("/") { text = "/" + text }
        }
        guard text.hasPrefix("/") || text == "*" else { throw .malformed("its target is not a path") }
        let path = text.prefix { $0 != "?" && $0 != "#" }
        let query = text.dropFirst(path.count).prefix { $0 != "#" }.dropFirst()
        return (String(path), String(query))
    }

    private static func isTokenByte(_ byte: UInt8) -> Bool {
        switch byte {
        case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
            UInt8(ascii: "0")...UInt8(ascii: "9"):
            true
        default: "!#$%&'*+-.^_`|~".utf8.contains(byte)
        }
    }
}
