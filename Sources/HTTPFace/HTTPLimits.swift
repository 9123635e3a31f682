/// Bounds of the face that nobody has had to configure.
enum HTTPLimits {
    /// Connections that wait to be accepted.
    static let backlog: Int32 = 256
    /// Connections accepted before the others get their turn.
    static let acceptBatch = 64
    /// Nanoseconds without accepting after the process ran out of descriptors.
    static let acceptPause: UInt64 = 100_000_000
    /// Bytes asked of a socket at once.
    static let pieceBytes = 16 * 1024
    /// Bytes of a request line.
    static let requestLineBytes = 8 * 1024
    /// Headers of a request.
    static let headers = 100
    /// Parameters of a path's query; more are left out.
    static let parameters = 32
    /// Answers of /metrics and /api made at once; more wait.
    static let contentAnswers = 8
    /// Answers about the process's state made at once; more wait.
    static let probeAnswers = 64
    /// Bytes of an answer that don't count as waiting: a connection's share even when the others' clients take nothing.
    static let smallAnswerBytes = 16 * 1024
    /// Nanoseconds between an answer and the next request: a scraper's interval and some. Such a connection gives way first.
    static let keepAliveTimeout: UInt64 = 75_000_000_000
    /// Nanoseconds for a client to take an answer, whole.
    static let sendTimeout: UInt64 = 30_000_000_000
    /// Nanoseconds to wait for the client's end after ours, so that the answer isn't lost by a reset.
    static let lingerTimeout: UInt64 = 2_000_000_000
    /// Bytes thrown away in that time.
    static let lingerBytes = 1024 * 1024
    /// Characters of a path that an error repeats.
    static let echoedPath = 100
}
