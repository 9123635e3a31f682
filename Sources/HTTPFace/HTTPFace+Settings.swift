extension HTTPFace {
    /// Where the face listens and what it allows.
    package struct Configuration: Sendable {
        /// A numeric address of this machine: "0.0.0.0" for all of IPv4, "::" for IPv6 and IPv4, or one of them.
        package var address: String
        /// 0 lets the system choose.
        package var port: UInt16
        /// Connections at once. One more takes the place of the one that has waited longest for a request to come.
        package var maximumConnections = 256
        /// Nanoseconds in which a request must have come, whole; and again for its answer to be made.
        package var requestTimeout: UInt64 = 10_000_000_000
        /// Bytes of a request: its line and headers, and what it may announce as a body (which is never read).
        package var maximumRequestBytes = 64 * 1024
        /// Bytes of answers that wait for clients to take them, all connections together.
        package var maximumUnsentBytes = 64 * 1024 * 1024
        /// Makes what moves the bytes of a new connection, for its socket; nil for plain HTTP.
        package var channel: (@Sendable (_ descriptor: Int32) -> any ByteChannel)?

        package init(address: String, port: UInt16) {
            self.address = address
            self.port = port
        }
    }

    /// What the face shows. The closures run in tasks, several at once, and must not block; one that takes longer than
    /// `Configuration.requestTimeout` is cancelled and answered for.
    package struct Content: Sendable {
        /// The process's state in one word, and whether it can do its work.
        package var state: @Sendable () async -> (word: String, isReady: Bool)
        /// Prometheus's text format 0.0.4.
        package var metrics: @Sendable () async -> String
        /// The JSON of one of `HTTPFace.jsonNames` or `HTTPFace.pageNames`; nil when this process has none.
        package var json: @Sendable (_ name: String, _ query: RequestQuery) async -> JSONBody?
        /// Files by path. The one at "/" takes the place of the list of routes.
        package var files: [String: PageFile]

        package init(
            state: @escaping @Sendable () async -> (word: String, isReady: Bool),
            metrics: @escaping @Sendable () async -> String,
            json: @escaping @Sendable (_ name: String, _ query: RequestQuery) async -> JSONBody?,
            files: [String: PageFile] = [:]
        ) {
            self.state = state
            self.metrics = metrics
            self.json = json
            self.files = files
        }
    }
}
