package import Configuration
import SnapshotStore

/// Everything that a server is told at its start.
package struct RendezvousSettings: Sendable {
    package static let defaultRedisURL = "redis://localhost:6379"
    package static let defaultHTTPPort = 8080

    package enum Store: Sendable {
        /// A Redis that somebody runs (`REDIS_URL`).
        case redis(url: String)
        /// A private child with its data in this folder.
        case embedded(folder: String)
    }

    package var peer: PeerSettings
    package var store: Store
    package var httpPort: UInt16

    /// Flags win over `REDIS_URL`, `MX_DATA_DIR` and `MX_HTTP_PORT`.
    package init(
        peer: PeerSettings, usesEmbeddedRedis: Bool, redisURL: String?, dataFolder: String?, httpPort: Int?,
        environment: Environment
    ) throws(ConfigurationError) {
        self.peer = peer
        store =
            usesEmbeddedRedis
            ? .embedded(folder: dataFolder ?? environment["MX_DATA_DIR"] ?? "\(peer.state.path)/redis")
            : .redis(url: redisURL ?? environment["REDIS_URL"] ?? Self.defaultRedisURL)
        let text = httpPort.map(String.init) ?? environment["MX_HTTP_PORT"] ?? String(Self.defaultHTTPPort)
        guard let port = UInt16(text) else {
            throw .invalid(setting: "--http-port (MX_HTTP_PORT)", value: text, expected: "a port number, 0 to 65535")
        }
        self.httpPort = port
    }
}

/// Why a server could not start, with its exit code.
package struct RendezvousError: Error, Sendable, CustomStringConvertible {
    package let description: String
    package let exitCode: Int

    init(_ description: String, exitCode: Int = 1) {
        self.description = description
        self.exitCode = exitCode
    }
}
