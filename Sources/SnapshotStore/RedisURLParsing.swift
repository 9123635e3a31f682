extension RedisURL {
    /// Reads a URL; the error says which part is wrong without repeating it.
    package init(parsing text: String) throws(RedisURLError) {
        let scheme: String
        let rest: Substring
        (scheme, rest) = try Self.splitScheme(text)
        let parts = try URLParts(rest)
        let account = try Self.readAccount(parts.account)
        switch scheme {
        case "redis":
            let endpoint = try Self.readHostAndPort(parts.host)
            let database = try Self.readDatabase(path: parts.path, query: parts.query)
            self.init(endpoint: endpoint, user: account.user, password: account.password, database: database)
        case "unix":
            guard parts.host.isEmpty else {
                throw .malformed(part: "socket path", expected: "it is absolute, as in unix:///run/redis.sock")
            }
            let endpoint = try Self.readSocketPath(parts.path)
            let database = try Self.readDatabase(path: "", query: parts.query)
            self.init(endpoint: endpoint, user: account.user, password: account.password, database: database)
        case "rediss": throw .encrypted
        default: throw .unknownScheme
        }
    }

    private static func splitScheme(_ text: String) throws(RedisURLError) -> (String, Substring) {
        guard let colon = text.firstIndex(of: ":") else { throw .unknownScheme }
        let rest = text[text.index(after: colon)...]
        guard rest.hasPrefix("//") else { throw .unknownScheme }
        return (text[..<colon].lowercased(), rest.dropFirst(2))
    }

    private static func readAccount(_ account: Substring?) throws(RedisURLError) -> (user: String?, password: Password?)
    {
        guard let account, !account.isEmpty else { return (nil, nil) }
        guard let colon = account.firstIndex(of: ":") else {
            throw .malformed(part: "account", expected: "it is user:password or :password, percent-encoded")
        }
        let user = try decodePercent(account[..<colon], part: "user")
        let password = try decodePercent(account[account.index(after: colon)...], part: "password")
        guard !password.isEmpty else {
            throw .malformed(part: "password", expected: "it is not empty; leave out the account if there is none")
        }
        return (user.isEmpty ? nil : user, Password(password))
    }

    private static func readHostAndPort(_ text: Substring) throws(RedisURLError) -> Endpoint {
        var host = text
        var port: Substring?
        if text.hasPrefix("[") {
            guard let end = text.firstIndex(of: "]") else {
                throw .malformed(part: "host", expected: "an IPv6 address ends with ]")
            }
            host = text[text.index(after: text.startIndex)..<end]
            let after = text[text.index(after: end)...]
            guard after.isEmpty || after.hasPrefix(":") else {
                throw .malformed(part: "host", expected: "only :port follows an IPv6 address")
            }
            port = after.isEmpty ? nil : after.dropFirst()
        } else if let colon = text.firstIndex(of: ":") {
            host = text[..<colon]
            port = text[text.index(after: colon)...]
        }
        guard !host.isEmpty else { throw .malformed(part: "host", expected: "it names a host or an address") }
        return .tcp(host: try decodePercent(host, part: "host"), port: try readPort(port))
    }

    private static func readPort(_ text: Substring?) throws(RedisURLError) -> UInt16 {
        guard let text else { return defaultPort }
        guard let port = UInt16(text), port > 0 else {
            throw .malformed(part: "port", expected: "it is a number from 1 to 65535")
        }
        return port
    }

    private static func readSocketPath(_ text: Substring) throws(RedisURLError) -> Endpoint {
        let path = try decodePercent(text, part: "socket path")
        guard path.hasPrefix("/"), path.utf8.count > 1 else {
            throw .malformed(part: "socket path", expected: "it is absolute, as in unix:///run/redis.sock")
        }
        guard path.utf8.count <= longestSocketPath else { throw .socketPathTooLong(bytes: path.utf8.count) }
        return .unixSocket(path: path)
    }

    private static func readDatabase(path: Substring, query: Substring?) throws(RedisURLError) -> Int {
        var number = path.dropFirst()
        if let query, !query.isEmpty {
            guard query.hasPrefix("db="), number.isEmpty else {
                throw .malformed(part: "query", expected: "it is ?db=NUMBER, and only where the path names no database")
            }
            number = query.dropFirst(3)
        }
        guard !number.isEmpty else { return 0 }
        guard let database = Int(number), (0...highestDatabase).contains(database) else {
            throw .malformed(part: "database", expected: "it is a number from 0 to \(highestDatabase)")
        }
        return database
    }

    /// Zero bytes are refused, since all of these become C strings.
    private static func decodePercent(_ text: Substring, part: String) throws(RedisURLError) -> String {
        var decoded: [UInt8] = []
        var rest = Substring(text).utf8[...]
        while let byte = rest.popFirst() {
            guard byte == UInt8(ascii: "%") else {
                decoded.append(byte)
                continue
            }
            guard rest.count >= 2, let value = Hex.byte(rest.removeFirst(), rest.removeFirst()) else {
                throw .malformed(part: part, expected: "% is followed by two hexadecimal digits (a plain % is %25)")
            }
            decoded.append(value)
        }
        guard !decoded.contains(0), let string = String(validating: decoded, as: UTF8.self) else {
            throw .malformed(part: part, expected: "it decodes to UTF-8 text without zero bytes")
        }
        return string
    }
}

/// A URL after its scheme, cut at its separators and not decoded yet.
private struct URLParts {
    let account: Substring?
    let host: Substring
    /// With its leading slash; empty when there is none.
    let path: Substring
    let query: Substring?

    init(_ text: Substring) throws(RedisURLError) {
        guard !text.contains("#") else {
            throw .malformed(part: "end", expected: "it has no #; inside a password that is %23")
        }
        let (beforeQuery, query) = Self.cut(text, at: "?")
        let authority = beforeQuery.prefix { $0 != "/" }
        self.query = query
        path = beforeQuery[authority.endIndex...]
        if let sign = authority.lastIndex(of: "@") {
            account = authority[..<sign]
            host = authority[authority.index(after: sign)...]
        } else {
            account = nil
            host = authority
        }
    }

    private static func cut(_ text: Substring, at separator: Character) -> (Substring, Substring?) {
        guard let index = text.firstIndex(of: separator) else { return (text, nil) }
        return (text[..<index], text[text.index(after: index)...])
    }
}
