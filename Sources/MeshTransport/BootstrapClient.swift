import Glibc
import Records

/// Asks who answers at a bootstrap port. Blocks for a bounded time, on a worker thread.
enum BootstrapClient {
    enum Outcome: Sendable {
        case answered([UInt8])
        case failed(String)
    }

    /// Asks every address of the name, at most `addressesPerName`: a headless service has many.
    static func ask(host: String, port: UInt16, request: BootstrapRequest) -> [Outcome] {
        let (addresses, error) = SocketAddress.resolve(
            host: host, port: port, limit: TransportLimits.addressesPerName)
        guard !addresses.isEmpty else { return [.failed(error ?? "the name has no address")] }
        let outcomes = addresses.map { ask($0, request) }
        let answered = outcomes.filter { if case .answered = $0 { true } else { false } }
        return answered.isEmpty ? Array(outcomes.prefix(1)) : answered
    }

    private static func ask(_ address: SocketAddress, _ request: BootstrapRequest) -> Outcome {
        let descriptor = socket(address.family, Int32(SOCK_STREAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue), 0)
        guard descriptor >= 0 else { return .failed(errorText()) }
        defer { close(descriptor) }
        var limit = timeval(tv_sec: Int(TransportLimits.bootstrapTimeout / Duration64.second), tv_usec: 0)
        for option in [SO_RCVTIMEO, SO_SNDTIMEO] {
            setsockopt(descriptor, SOL_SOCKET, option, &limit, socklen_t(MemoryLayout<timeval>.size))
        }
        guard address.withPointer({ connect(descriptor, $0, address.length) }) == 0 else {
            return .failed(errno == EINPROGRESS ? "no answer in time" : errorText())
        }
        let bytes = request.encoded
        guard send(descriptor, bytes, bytes.count, Int32(MSG_NOSIGNAL)) == bytes.count else {
            return .failed(errorText())
        }
        return receiveAnswer(descriptor)
    }

    private static func receiveAnswer(_ descriptor: Int32) -> Outcome {
        var received: [UInt8] = []
        var buffer = [UInt8](repeating: 0, count: WireLimits.bootstrapAnswer + 4)
        while true {
            var reader = WireReader(received)
            if let size = try? reader.read(UInt32.self, "answer size") {
                guard size <= WireLimits.bootstrapAnswer else { return .failed("it is no ModelExpress peer") }
                if let answer = try? reader.readRaw(Int(size), "answer") { return .answered(Array(answer)) }
            }
            let count = recv(descriptor, &buffer, buffer.count, 0)
            if count < 0, errno == EINTR { continue }
            guard count >= 0 else { return .failed(errno == EAGAIN ? "no answer in time" : errorText()) }
            guard count > 0 else {
                return .failed(
                    "it gave no answer: another cluster's token is used there, or it is no ModelExpress peer")
            }
            received += buffer[..<count]
        }
    }

    private static func errorText() -> String { String(cString: strerror(errno)) }
}
