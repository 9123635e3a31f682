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
    /// Nil: plain HTTP.
    package var certificate: CertificateFiles?
    /// Nil where there is no Kubernetes.
    package var kubernetes: KubernetesSettings?
    /// The public gRPC API.
    package var engines: EngineSettings

    /// Paths of PEM files: the certificate with its intermediate ones, and its private key.
    package struct CertificateFiles: Hashable, Sendable {
        package let certificate: String
        package let key: String
    }

    /// Flags win over `REDIS_URL`, `MX_DATA_DIR`, `MX_HTTP_PORT`, `MX_HTTP_TLS_CERTIFICATE` and `MX_HTTP_TLS_KEY`.
    package init(
        peer: PeerSettings, usesEmbeddedRedis: Bool, redisURL: String?, dataFolder: String?, httpPort: Int?,
        tlsCertificate: String? = nil, tlsKey: String? = nil, grpcPort: String? = nil, environment: Environment
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
        kubernetes = try KubernetesSettings(environment: environment)
        engines = try EngineSettings(port: grpcPort, environment: environment)
        certificate = try Self.certificate(
            tlsCertificate ?? environment["MX_HTTP_TLS_CERTIFICATE"], tlsKey ?? environment["MX_HTTP_TLS_KEY"])
    }

    private static func certificate(
        _ certificate: String?, _ key: String?
    ) throws(ConfigurationError) -> CertificateFiles? {
        switch (certificate, key) {
        case (nil, nil): return nil
        case (let certificate?, let key?): return CertificateFiles(certificate: certificate, key: key)
        case (let certificate?, nil):
            throw .invalid(
                setting: "--http-tls-certificate (MX_HTTP_TLS_CERTIFICATE)", value: certificate,
                expected: "--http-tls-key (MX_HTTP_TLS_KEY) beside it")
        case (nil, let key?):
            throw .invalid(
                setting: "--http-tls-key (MX_HTTP_TLS_KEY)", value: key,
                expected: "--http-tls-certificate (MX_HTTP_TLS_CERTIFICATE) beside it")
        }
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
