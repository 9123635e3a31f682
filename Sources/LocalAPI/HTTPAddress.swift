/// The `http://host[:port][/path]` of a server.
struct HTTPAddress: Hashable, Sendable {
    private static let defaultPort: UInt16 = 80

    let host: String
    let port: UInt16
    /// Without a slash at its end; may be empty.
    let base: String

    init(_ text: String) throws(HTTPQueryError) {
        let lowercased = text.lowercased()
        guard !lowercased.hasPrefix("https://") else { throw .encrypted(url: text) }
        guard lowercased.hasPrefix("http://") else { throw .notAnAddress(url: text) }
        let rest = text.dropFirst("http://".count)
        let authority = rest.prefix { $0 != "/" }
        var path = rest.dropFirst(authority.count)
        while path.last == "/" { path.removeLast() }
        // What would end the request line or a header early, or be another part of an address, has no place in one.
        let isPlain = rest.utf8.allSatisfy { $0 > 0x20 && $0 < 0x7F && !"?#@".utf8.contains($0) }
        guard isPlain, let (host, port) = Self.split(authority) else { throw .notAnAddress(url: text) }
        self.host = host
        self.port = port
        base = String(path)
    }

    /// As a `Host:` header has it.
    var authority: String { host.contains(":") ? "[\(host)]:\(port)" : "\(host):\(port)" }

    private static func split(_ authority: Substring) -> (host: String, port: UInt16)? {
        var host = authority
        var port = defaultPort
        if let colon = authority.lastIndex(of: ":"), authority.last != "]" {
            guard let number = UInt16(authority[authority.index(after: colon)...]), number > 0 else { return nil }
            port = number
            host = authority[..<colon]
        }
        if host.hasPrefix("["), host.hasSuffix("]") {
            host = host.dropFirst().dropLast()
        } else if host.contains(":") {
            return nil
        }
        return host.isEmpty ? nil : (String(host), port)
    }
}
