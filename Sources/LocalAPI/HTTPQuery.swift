import EventThread
import Glibc
import TLS

/// Asks a server's HTTP API: `GET {base}/api/v1/{peers|sources|status}`, whose body is one `LocalAnswer`. Blocks: not for a task.
package struct HTTPQuery: Sendable {
    private let address: HTTPAddress
    private let authorities: String?

    /// - Parameters:
    ///   - server: such as `http://modelexpress-server:8080`, or `https://`.
    ///   - authorities: path of a PEM file with the only certificates that are trusted over `https`; nil for the system's.
    package init(server: String, authorities: String? = nil) throws(HTTPQueryError) {
        address = try HTTPAddress(server)
        self.authorities = authorities
        guard authorities == nil || address.isSecure else { throw .notEncrypted(url: server) }
    }

    /// - Parameter request: `peers`, `sources` or `status`.
    package func get(_ request: String) throws(HTTPQueryError) -> LocalAnswer {
        let path = "\(address.base)/api/v1/\(request)"
        let url = "\(address.origin)\(path)"
        let (status, body) = try exchange(path: path, url: url)
        do throws(LocalJSONError) {
            return try LocalJSON.decode(LocalAnswer.self, from: body)
        } catch {
            guard status == 200 else { throw .status(url: url, code: status) }
            throw .badAnswer(url: url, reason: "\(error)")
        }
    }

    private func exchange(path: String, url: String) throws(HTTPQueryError) -> (status: Int, body: [UInt8]) {
        let start = MonotonicClock.now()
        do {
            let descriptor = try TCPConnect.open(
                host: address.host, port: address.port, until: start + LocalLimits.httpTimeout)
            defer { close(descriptor) }
            let head = "GET \(path) HTTP/1.1\r\nHost: \(address.authority)\r\nAccept: application/json\r\n"
            let request = Array("\(head)Connection: close\r\n\r\n".utf8)
            var answer = HTTPAnswer(limit: LocalLimits.answer)
            guard !address.isSecure else {
                let connection = try SecureConnection(
                    TLSContext.client(authorities: authorities), descriptor: descriptor, host: address.host,
                    until: start + LocalLimits.httpTotal, patience: LocalLimits.httpTimeout)
                return try connection.exchange(request, answer: &answer)
            }
            try SocketIO.send(
                request, to: descriptor, until: MonotonicClock.now() + LocalLimits.httpTimeout)
            return try answer.read { (buffer) throws(SocketIO.Failure) in
                let deadline = min(MonotonicClock.now() + LocalLimits.httpTimeout, start + LocalLimits.httpTotal)
                return try SocketIO.receive(into: &buffer, from: descriptor, until: deadline)
            }
        } catch {
            throw Self.translate(error, url: url)
        }
    }

    private static func translate(_ error: any Error, url: String) -> HTTPQueryError {
        switch error {
        case TCPConnect.Failure.unknownHost(let reason): .unreachable(url: url, reason: reason)
        case TCPConnect.Failure.socket(.timedOut), SocketIO.Failure.timedOut,
            SecureConnection.Failure.socket(.timedOut):
            .silent(url: url)
        case TCPConnect.Failure.socket(.failed(let code)), SocketIO.Failure.failed(let code),
            SecureConnection.Failure.socket(.failed(let code)):
            .unreachable(url: url, reason: SocketIO.text(code))
        case SecureConnection.Failure.stream(let reason): .insecure(url: url, reason: reason)
        case let error as TLSError: .insecure(url: url, reason: "\(error)")
        case HTTPAnswer.Malformed.tooLarge: .tooLarge(url: url)
        case HTTPAnswer.Malformed.malformed(let reason): .badAnswer(url: url, reason: reason)
        default: .unreachable(url: url, reason: "\(error)")
        }
    }
}
