/// Where a Redis is and how to get in, as people write it: `redis://[user:password@]host[:port][/db]` or
/// `unix://[user:password@]/path[?db=n]`. Its description never holds the password, so it may be logged.
package struct RedisURL: Sendable, Equatable {
    package enum Endpoint: Sendable, Equatable {
        case tcp(host: String, port: UInt16)
        case unixSocket(path: String)
    }

    /// The port when a URL names none.
    package static let defaultPort: UInt16 = 6379
    /// The longest path of a Unix socket, in bytes: `sockaddr_un` has 108, with a zero at the end.
    package static let longestSocketPath = 107
    /// The highest database number that is taken; Redis itself is configured with 16 unless told otherwise.
    package static let highestDatabase = 1_000_000

    package let endpoint: Endpoint
    package let user: String?
    package let password: Password?
    package let database: Int

    package init(endpoint: Endpoint, user: String? = nil, password: Password? = nil, database: Int = 0) {
        self.endpoint = endpoint
        self.user = user
        self.password = password
        self.database = database
    }

    /// A password that doesn't show itself when it is printed, interpolated, dumped or reflected.
    package struct Password: Sendable, Equatable, CustomStringConvertible, CustomReflectable {
        /// What is sent to Redis, and nowhere else.
        let secret: String

        package init(_ secret: String) { self.secret = secret }

        package var description: String { "(hidden)" }
        package var customMirror: Mirror { Mirror(self, children: []) }
    }
}

extension RedisURL.Endpoint: CustomStringConvertible {
    package var description: String {
        switch self {
        case .tcp(let host, let port): host.contains(":") ? "[\(host)]:\(port)" : "\(host):\(port)"
        case .unixSocket(let path): path
        }
    }
}

extension RedisURL: CustomStringConvertible, CustomDebugStringConvertible {
    package var description: String {
        let account = user.map { "\($0)@" } ?? ""
        return switch endpoint {
        case .tcp: "redis://\(account)\(endpoint)/\(database)"
        case .unixSocket: "unix://\(account)\(endpoint)?db=\(database)"
        }
    }

    package var debugDescription: String { description }
}

/// Why a text is no usable Redis URL. It never repeats the text, which may hold a password.
package enum RedisURLError: Error, Equatable, CustomStringConvertible {
    case encrypted
    case unknownScheme
    case malformed(part: String, expected: String)
    case socketPathTooLong(bytes: Int)

    package var description: String {
        switch self {
        case .encrypted:
            "The Redis URL begins with rediss://, but this program speaks to Redis without TLS. Run a TLS proxy beside it "
                + "(stunnel, or a service mesh's sidecar) and give the proxy's plain redis:// address."
        case .unknownScheme:
            "The Redis URL must begin with redis:// or unix://, as in redis://localhost:6379 or unix:///run/redis.sock."
        case .malformed(let part, let expected):
            "The Redis URL's \(part) can't be read: \(expected)."
        case .socketPathTooLong(let bytes):
            "The Redis URL's socket path has \(bytes) bytes, but a Unix socket's path has at most "
                + "\(RedisURL.longestSocketPath). Use a shorter path."
        }
    }
}
