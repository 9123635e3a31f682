/// The `http://host[:port][/path]` of a server, or the same with `https`.
struct HTTPAddress: Hashable, Sendable {
    /// Whether TLS is spoken.
    let isSecure: Bool
    let host: String
    let port: UInt16
    /// Without a slash at its end; may be empty.
    let base: String

    init(_ text: String) throws(HTTPQueryError) {
        let lowercased = text.lowercased()
        isSecure = lowercased.hasPrefix("https://")
        guard isSecure || lowercased.hasPrefix("http://") else { throw .notAnAddress(url: text) }
        let rest = text.dropFirst(isSecure ? "https://".count : "http://".count)
        let authority = rest.prefix { $0 != "/" }
        var path = rest.dropFirst(authority.count)
        while path.last == "/" { path.removeLast() }
        // What would end the request line or a header early, or be another part of an address, has no place in one.
        let isPlain = rest.utf8.allSatisfy { $0 > 0x20 && $0 < 0x7F && !"?#@".utf8.contains($0) }
        guard isPlain, let (host, port) = Self.split(authority, defaultPort: isSecure ? 443 : 80) else {
            throw .notAnAddress(url: text)
        }
        self.host = host
        self.port = port
        base = String(path)
    }

    /// As a `Host:` header has it.
    var authority: String { host.contains(":") ? "[\(host)]:\(port)" : "\(host):\(port)" }

    /// As an address begins, up to the path.
    var origin: String { "\(isSecure ? "https" : "http")://\(authority)" }

    private static func split(_ authority: Substring, defaultPort: UInt16) -> (host: String, port: UInt16)? {
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
