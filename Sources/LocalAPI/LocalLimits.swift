/// Bounds of the local socket and of queries to a server.
package enum LocalLimits {
    /// Clients that a `LocalServer` serves at once; each has a thread.
    package static let maximumConnections = 32
    /// Connections that wait to be accepted.
    package static let backlog: Int32 = 64
    /// Nanoseconds for which accepting pauses when no descriptor is left.
    package static let acceptPause: UInt64 = 100_000_000
    /// Bytes of a request line, its end not counted.
    package static let requestLine = 64 * 1024
    /// Bytes of an answer line or of a server's HTTP body: a mesh of thousands of peers fits.
    package static let answer = 64 * 1024 * 1024
    /// Bytes of an HTTP status line with its headers.
    package static let httpHead = 64 * 1024
    /// Nanoseconds in which a client's next request must have come, whole.
    package static let requestTimeout: UInt64 = 10_000_000_000
    /// Nanoseconds in which a client must take a line; one that doesn't counts as gone.
    package static let sendTimeout: UInt64 = 10_000_000_000
    /// Nanoseconds of silence after which a client gives a query up.
    package static let answerTimeout: UInt64 = 10_000_000_000
    /// Nanoseconds for connecting to a server, and for each of its pieces.
    package static let httpTimeout: UInt64 = 5_000_000_000
    /// Nanoseconds for a whole query to a server, however slowly its pieces come.
    package static let httpTotal: UInt64 = 30_000_000_000
    /// Bytes of a Unix socket's path (sockaddr_un, less the final zero).
    package static let socketPath = 107
}
