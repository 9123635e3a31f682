import Configuration
import EventThread
import Glibc
import LocalAPI
import TLS

/// Why the Kubernetes API did not do what was asked.
enum KubernetesError: Error, Hashable, Sendable {
    case unreachable(api: String, reason: String)
    case silent(api: String)
    case badAnswer(api: String, reason: String)
    /// An answer of the API, with its own words.
    case refused(status: Int, message: String)
    /// The token or the authorities of the service account can't be used.
    case account(reason: String)
}

extension KubernetesError: CustomStringConvertible {
    var description: String {
        switch self {
        case .unreachable(let api, let reason): "can't reach the Kubernetes API at \(api): \(reason)"
        case .silent(let api): "the Kubernetes API at \(api) does not answer in time"
        case .badAnswer(let api, let reason): "what answers at \(api) is no Kubernetes API: \(reason)"
        case .refused(401, let message): "the Kubernetes API does not know this service account: \(message)"
        case .refused(403, let message):
            "the service account may not do this (its Role needs get, create and patch of secrets for the join Secret, and its "
                + "ClusterRole create of tokenreviews to check callers): \(message)"
        case .refused(let status, let message): "the Kubernetes API answers with \(status): \(message)"
        case .account(let reason): "the pod's service account can't be used: \(reason)"
        }
    }
}

/// Asks the Kubernetes API, one request a connection. Blocks: not for a task.
struct KubernetesClient: Sendable {
    /// Nanoseconds for a whole exchange.
    private static let timeout: UInt64 = 10_000_000_000
    /// Bytes of an answer: a Secret has a megabyte at most, a third more in Base64.
    private static let answerLimit = 2 * 1024 * 1024
    /// Characters of the API's own words that are repeated.
    private static let messageLimit = 300

    let settings: KubernetesSettings

    /// - Parameter path: as in the API's reference, with what it names already in it.
    func ask(
        _ method: String, _ path: String, body: [UInt8] = [], type: String = "application/json"
    ) throws(KubernetesError) -> (status: Int, body: [UInt8]) {
        let head =
            "\(method) \(path) HTTP/1.1\r\nHost: \(settings.api.authority)\r\nAuthorization: Bearer \(try accountToken())\r\n"
            + "Accept: application/json\r\nContent-Type: \(type)\r\nContent-Length: \(body.count)\r\nConnection: close\r\n\r\n"
        do {
            return try exchange(Array(head.utf8) + body, until: MonotonicClock.now() + Self.timeout)
        } catch let error as KubernetesError {
            throw error
        } catch {
            throw translate(error)
        }
    }

    /// An error status as an error, with what the API says of it.
    static func refusal(_ status: Int, _ body: [UInt8]) -> KubernetesError {
        struct Status: Decodable { var message: String? }
        let message = (try? LocalJSON.decode(Status.self, from: body))?.message ?? "no reason given"
        return .refused(status: status, message: String(message.prefix(messageLimit)))
    }

    /// Read each time: it is replaced while the pod lives.
    private func accountToken() throws(KubernetesError) -> String {
        do throws(ConfigurationError) {
            let text = try SecretFile.read(settings.tokenFile, isPrivate: false).filter { !$0.isWhitespace }
            // What would end the header early is no token.
            guard !text.isEmpty, text.utf8.allSatisfy({ $0 > 0x20 && $0 < 0x7F }) else {
                throw .malformed(path: settings.tokenFile, what: "a service account's token")
            }
            return text
        } catch {
            throw .account(reason: "\(error)")
        }
    }

    private func exchange(_ request: [UInt8], until deadline: UInt64) throws -> (status: Int, body: [UInt8]) {
        let descriptor = try TCPConnect.open(host: settings.api.host, port: settings.api.port, until: deadline)
        defer { close(descriptor) }
        var answer = HTTPAnswer(limit: Self.answerLimit)
        guard settings.api.isSecure else {
            try SocketIO.send(request, to: descriptor, until: deadline)
            return try answer.read { (buffer) throws(SocketIO.Failure) in
                try SocketIO.receive(into: &buffer, from: descriptor, until: deadline)
            }
        }
        let connection: SecureConnection
        do throws(TLSError) {
            let context = try TLSContext.client(authorities: settings.authoritiesFile)
            connection = try SecureConnection(
                context, descriptor: descriptor, host: settings.api.host, until: deadline,
                patience: LocalLimits.httpTimeout)
        } catch {
            throw KubernetesError.account(reason: "\(error)")
        }
        return try connection.exchange(request, answer: &answer)
    }

    private func translate(_ error: any Error) -> KubernetesError {
        let api = settings.api.authority
        return switch error {
        case TCPConnect.Failure.unknownHost(let reason): .unreachable(api: api, reason: reason)
        case TCPConnect.Failure.socket(.timedOut), SocketIO.Failure.timedOut,
            SecureConnection.Failure.socket(.timedOut):
            .silent(api: api)
        case TCPConnect.Failure.socket(.failed(let code)), SocketIO.Failure.failed(let code),
            SecureConnection.Failure.socket(.failed(let code)):
            .unreachable(api: api, reason: SocketIO.text(code))
        case SecureConnection.Failure.stream(let reason): .unreachable(api: api, reason: reason)
        case HTTPAnswer.Malformed.tooLarge: .badAnswer(api: api, reason: "its answer is too large")
        case HTTPAnswer.Malformed.malformed(let reason): .badAnswer(api: api, reason: reason)
        default: .unreachable(api: api, reason: "\(error)")
        }
    }
}
