package import Configuration
import Glibc

/// Where the Kubernetes API is, who we are there, and the join Secret that is kept in it. In a pod, all of it is found.
package struct KubernetesSettings: Hashable, Sendable {
    package static let defaultSecret = "modelexpress-join"
    private static let account = "/var/run/secrets/kubernetes.io/serviceaccount"

    /// `https://HOST:PORT`, or http for tests.
    package let api: KubernetesAddress
    package let namespace: String
    package let secret: String
    /// The Secret that holds the cluster's root key (`MX_KEYS_SECRET`); nil: the state folder has it, or a token.
    package let keysSecret: String?
    /// Files: the service account's token, which is replaced now and then, and the authorities of the API's certificate.
    package let tokenFile: String
    package let authoritiesFile: String
    /// Life of a join token that is made, milliseconds.
    package let tokenLife: Int64

    /// Nil where there is no Kubernetes, or `MX_JOIN_SECRET` is `none` and the Secret is what it is wanted for.
    package init?(environment: Environment, isForSecret: Bool = true) throws(ConfigurationError) {
        let secret = isForSecret ? environment["MX_JOIN_SECRET"] ?? Self.defaultSecret : Self.defaultSecret
        let inCluster = environment["KUBERNETES_SERVICE_HOST"].map { host in
            let name = host.contains(":") ? "[\(host)]" : host
            return "https://\(name):\(environment["KUBERNETES_SERVICE_PORT"] ?? "443")"
        }
        guard secret != "none", let url = environment["MX_KUBERNETES_API"] ?? inCluster else { return nil }
        guard let api = KubernetesAddress(url) else {
            throw .invalid(setting: "MX_KUBERNETES_API", value: url, expected: "https://HOST:PORT")
        }
        guard Self.isName(secret) else {
            throw .invalid(
                setting: "MX_JOIN_SECRET", value: secret, expected: "the name of a Secret (a-z, 0-9, - and .), or none")
        }
        keysSecret = environment["MX_KEYS_SECRET"]
        if let keysSecret, !Self.isName(keysSecret) {
            throw .invalid(
                setting: "MX_KEYS_SECRET", value: keysSecret, expected: "the name of a Secret (a-z, 0-9, - and .)")
        }
        let life = environment["MX_JOIN_TOKEN_LIFE"] ?? "7d"
        guard let milliseconds = Quantities.milliseconds(life), milliseconds >= 2_000 else {
            throw .invalid(setting: "MX_JOIN_TOKEN_LIFE", value: life, expected: "a time like 7d or 12h")
        }
        self.api = api
        self.secret = secret
        tokenLife = milliseconds
        tokenFile = environment["MX_KUBERNETES_TOKEN_FILE"] ?? "\(Self.account)/token"
        authoritiesFile = environment["MX_KUBERNETES_CA_FILE"] ?? "\(Self.account)/ca.crt"
        let named = environment["MX_KUBERNETES_NAMESPACE"]
        let namespace = if let named { named } else { try Self.ownNamespace() }
        guard Self.isName(namespace) else {
            throw .invalid(setting: "MX_KUBERNETES_NAMESPACE", value: namespace, expected: "the name of a namespace")
        }
        self.namespace = namespace
    }

    private static func ownNamespace() throws(ConfigurationError) -> String {
        let text = try SecretFile.read("\(account)/namespace", isPrivate: false)
        return String(text.filter { !$0.isWhitespace })
    }

    /// As Kubernetes names things (RFC 1123), so that a name is a part of a path as it is.
    private static func isName(_ text: String) -> Bool {
        let isAllowed = text.utf8.allSatisfy {
            (UInt8(ascii: "a")...UInt8(ascii: "z")).contains($0) || (UInt8(ascii: "0")...UInt8(ascii: "9")).contains($0)
                || $0 == UInt8(ascii: "-") || $0 == UInt8(ascii: ".")
        }
        return isAllowed && (1...253).contains(text.utf8.count) && text.first != "." && text.first != "-"
    }
}

/// The address of an API without a path.
package struct KubernetesAddress: Hashable, Sendable {
    let isSecure: Bool
    let host: String
    let port: UInt16

    /// As a `Host:` header has it.
    var authority: String { host.contains(":") ? "[\(host)]:\(port)" : "\(host):\(port)" }

    init?(_ text: String) {
        var rest: Substring
        if text.hasPrefix("https://") {
            (isSecure, rest) = (true, text.dropFirst("https://".count))
        } else if text.hasPrefix("http://") {
            (isSecure, rest) = (false, text.dropFirst("http://".count))
        } else {
            return nil
        }
        if rest.last == "/" { rest.removeLast() }
        guard rest.utf8.allSatisfy({ $0 > 0x20 && $0 < 0x7F && !"/?#@".utf8.contains($0) }) else { return nil }
        var port = isSecure ? UInt16(443) : 80
        if let colon = rest.lastIndex(of: ":"), rest.last != "]" {
            guard let number = UInt16(rest[rest.index(after: colon)...]), number > 0 else { return nil }
            port = number
            rest = rest[..<colon]
        }
        if rest.hasPrefix("["), rest.hasSuffix("]") {
            rest = rest.dropFirst().dropLast()
        } else if rest.contains(":") {
            return nil
        }
        guard !rest.isEmpty else { return nil }
        host = String(rest)
        self.port = port
    }
}
