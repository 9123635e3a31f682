import Configuration
import EnginePool
import PublicAPI

/// What a server is told about the public gRPC API.
package struct EngineSettings: Sendable {
    package static let defaultPort = "8001"

    /// Nil: the port is not wanted.
    package let port: UInt16?
    /// Nil: in the clear.
    package let certificate: RendezvousSettings.CertificateFiles?
    /// A file with the tokens of callers; nil: none.
    package let tokenFile: String?
    /// Nil: the Kubernetes API is not asked.
    package let review: Review?
    let timeouts: PoolTimeouts
    let limits: PoolLimits
    let calls: PublicAPILimits

    /// Who callers are, by the tokens of their service accounts.
    package struct Review: Sendable {
        let kubernetes: KubernetesSettings
        let audiences: [String]
        /// `NAMESPACE:ACCOUNT`.
        let allowed: Set<String>
        /// How long an answer holds, milliseconds.
        let life: Int64
    }

    /// Flags win over `MX_GRPC_PORT`, `MX_GRPC_TOKEN_FILE`, `MX_GRPC_TLS_CERTIFICATE` and `MX_GRPC_TLS_KEY`. The other variables
    /// are those of public servers.
    init(port flag: String?, environment: Environment) throws(ConfigurationError) {
        port = try Self.port(flag ?? environment["MX_GRPC_PORT"] ?? Self.defaultPort)
        tokenFile = environment["MX_GRPC_TOKEN_FILE"]
        certificate = try Self.certificate(environment["MX_GRPC_TLS_CERTIFICATE"], environment["MX_GRPC_TLS_KEY"])
        review = try Self.review(environment)
        var timeouts = PoolTimeouts()
        timeouts.heartbeat = try Self.seconds("MX_HEARTBEAT_TIMEOUT_SECS", environment, timeouts.heartbeat)
        timeouts.forget = try Self.seconds("MX_GC_TIMEOUT_SECS", environment, timeouts.forget)
        timeouts.sweep = try Self.seconds("MX_REAPER_SCAN_INTERVAL_SECS", environment, timeouts.sweep)
        self.timeouts = timeouts
        var limits = PoolLimits()
        limits.bodyBytes = try Self.bytes("MX_GRPC_POOL_BYTES", environment, limits.bodyBytes)
        self.limits = limits
        var calls = PublicAPILimits()
        calls.heldBytes = try Self.bytes("MX_GRPC_HELD_BYTES", environment, calls.heldBytes)
        self.calls = calls
    }

    private static func bytes(
        _ name: String, _ environment: Environment, _ standard: Int
    ) throws(ConfigurationError) -> Int {
        guard let text = environment[name] else { return standard }
        guard let bytes = Quantities.bytes(text), bytes > 0 else {
            throw .invalid(setting: name, value: text, expected: "a size like 4GiB")
        }
        return Int(bytes)
    }

    private static func port(_ text: String) throws(ConfigurationError) -> UInt16? {
        if text == "none" { return nil }
        guard let port = UInt16(text) else {
            throw .invalid(
                setting: "--grpc-port (MX_GRPC_PORT)", value: text, expected: "a port number, 0 to 65535, or none")
        }
        return port
    }

    private static func certificate(
        _ certificate: String?, _ key: String?
    ) throws(ConfigurationError) -> RendezvousSettings.CertificateFiles? {
        switch (certificate, key) {
        case (nil, nil): return nil
        case (let certificate?, let key?):
            return RendezvousSettings.CertificateFiles(certificate: certificate, key: key)
        case (let certificate?, nil):
            throw .invalid(
                setting: "MX_GRPC_TLS_CERTIFICATE", value: certificate, expected: "MX_GRPC_TLS_KEY beside it")
        case (nil, let key?):
            throw .invalid(setting: "MX_GRPC_TLS_KEY", value: key, expected: "MX_GRPC_TLS_CERTIFICATE beside it")
        }
    }

    /// Milliseconds.
    private static func seconds(
        _ name: String, _ environment: Environment, _ standard: Int64
    ) throws(ConfigurationError) -> Int64 {
        guard let text = environment[name] else { return standard }
        guard let seconds = Int64(text), (1...31_536_000).contains(seconds) else {
            throw .invalid(setting: name, value: text, expected: "a number of seconds, 1 or more")
        }
        return seconds * 1_000
    }

    // MARK: Service accounts

    private static func review(_ environment: Environment) throws(ConfigurationError) -> Review? {
        let name = "MODEL_EXPRESS_SECURITY_MODE"
        switch environment[name]?.lowercased() {
        case nil, "off", "disabled", "none": return nil
        case "enforce": break
        case let other?: throw .invalid(setting: name, value: other, expected: "enforce, or off")
        }
        let allowedName = "MODEL_EXPRESS_SECURITY_ALLOWED_SERVICE_ACCOUNTS"
        let allowed = list(environment[allowedName])
        guard !allowed.isEmpty, allowed.allSatisfy({ $0.split(separator: ":").count == 2 }) else {
            throw .invalid(
                setting: allowedName, value: environment[allowedName] ?? "",
                expected: "NAMESPACE:ACCOUNT, several with commas: nobody else may call")
        }
        guard let kubernetes = try KubernetesSettings(environment: environment, isForSecret: false) else {
            throw .invalid(
                setting: name, value: "enforce",
                expected: "a Kubernetes API to ask: a pod has one, elsewhere MX_KUBERNETES_API names it")
        }
        return Review(
            kubernetes: kubernetes, audiences: list(environment["MODEL_EXPRESS_SECURITY_TOKEN_AUDIENCES"]),
            allowed: Set(allowed),
            life: try seconds("MODEL_EXPRESS_SECURITY_CACHE_TTL_SECS", environment, 60_000))
    }

    private static func list(_ text: String?) -> [String] {
        (text ?? "").split(separator: ",").map { String($0.filter { !$0.isWhitespace }) }.filter { !$0.isEmpty }
    }
}
