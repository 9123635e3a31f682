import EventThread
import Glibc
package import Records

/// Asks who answers at a bootstrap port. Blocks for a bounded time (`bootstrapTimeout` for each address), on a worker thread.
package enum BootstrapClient {
    package enum Outcome: Hashable, Sendable {
        case answered([UInt8])
        case failed(String)
    }

    /// Asks every address of the name, at most `addressesPerName`: a headless service has many.
    package static func ask(host: String, port: UInt16, request: BootstrapRequest) -> [Outcome] {
        let (addresses, error) = SocketAddress.resolve(
            host: host, port: port, limit: TransportLimits.addressesPerName)
        guard !addresses.isEmpty else { return [.failed(error ?? "the name has no address")] }
        let outcomes = addresses.map { ask($0, request) }
        let answered = outcomes.filter { if case .answered = $0 { true } else { false } }
        return answered.isEmpty ? Array(outcomes.prefix(1)) : answered
    }

    private struct Failure: Error {
        let reason: String

        /// Of a call that just failed.
        static func last() -> Failure { Failure(reason: String(cString: strerror(errno))) }

        static let late = Failure(reason: "no answer in time")
        static let stranger = Failure(reason: "it is no ModelExpress peer")
        static let silent = Failure(
            reason: "it gave no answer: another cluster's token is used there, or it is no ModelExpress peer")
    }

    /// Connecting, asking and the whole answer share one deadline, so that no peer can hold the thread by trickling.
    private static func ask(_ address: SocketAddress, _ request: BootstrapRequest) -> Outcome {
        let deadline = MonotonicClock.now() + TransportLimits.bootstrapTimeout
        let flags = Int32(SOCK_STREAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue) | Int32(SOCK_NONBLOCK.rawValue)
        let descriptor = socket(address.family, flags, 0)
        guard descriptor >= 0 else { return .failed(Failure.last().reason) }
        defer { close(descriptor) }
        do throws(Failure) {
            try connect(descriptor, to: address, until: deadline)
            let bytes = request.encoded
            // A fresh socket's buffer takes these few bytes whole.
            guard send(descriptor, bytes, bytes.count, Int32(MSG_NOSIGNAL)) == bytes.count else { throw .last() }
            return .answered(try receiveAnswer(descriptor, until: deadline))
        } catch {
            return .failed(error.reason)
        }
    }

    private static func connect(
        _ descriptor: Int32, to address: SocketAddress, until deadline: UInt64
    ) throws(Failure) {
        if address.withPointer({ Glibc.connect(descriptor, $0, address.length) }) == 0 { return }
        guard errno == EINPROGRESS else { throw .last() }
        try wait(descriptor, for: POLLOUT, until: deadline)
        var code: Int32 = 0
        var length = socklen_t(MemoryLayout<Int32>.size)
        getsockopt(descriptor, SOL_SOCKET, SO_ERROR, &code, &length)
        guard code == 0 else { throw Failure(reason: String(cString: strerror(code))) }
    }

    private static func receiveAnswer(_ descriptor: Int32, until deadline: UInt64) throws(Failure) -> [UInt8] {
        var head = WireReader(try receive(MemoryLayout<UInt32>.size, descriptor, until: deadline))
        guard let size = try? head.read(UInt32.self, "answer size"), size <= WireLimits.bootstrapAnswer else {
            throw .stranger
        }
        return try receive(Int(size), descriptor, until: deadline)
    }

    /// Exactly so many bytes.
    private static func receive(_ size: Int, _ descriptor: Int32, until deadline: UInt64) throws(Failure) -> [UInt8] {
        var received: [UInt8] = []
        var buffer = [UInt8](repeating: 0, count: size)
        while received.count < size {
            let count = recv(descriptor, &buffer, size - received.count, 0)
            if count < 0, errno == EINTR { continue }
            if count < 0, errno == EAGAIN {
                try wait(descriptor, for: POLLIN, until: deadline)
                continue
            }
            guard count >= 0 else { throw .last() }
            guard count > 0 else { throw .silent }
            received += buffer[..<count]
        }
        return received
    }

    private static func wait(_ descriptor: Int32, for events: Int32, until deadline: UInt64) throws(Failure) {
        while true {
            let now = MonotonicClock.now()
            guard now < deadline else { throw .late }
            var entry = pollfd(fd: descriptor, events: Int16(truncatingIfNeeded: events), revents: 0)
            // Rounded up: the last millisecond is waited for as well.
            let happened = poll(&entry, 1, Int32(clamping: (deadline - now + 999_999) / 1_000_000))
            if happened > 0 { return }
            if happened < 0, errno != EINTR { throw .last() }
        }
    }
}
