import CLinux
import EventThread
import Glibc
import Records
import Telemetry

/// The port without CURVE: one request of 64 bytes, one answer, closed. Confined to the peer's thread; nothing waits.
final class BootstrapListener {
    private struct Connection {
        var received: [UInt8] = []
        var timer: TimerID
    }

    private let thread: EventThread
    private let descriptor: Int32
    private var connections: [Int32: Connection] = [:]
    private var requests = AddressRate(TransportLimits.bootstrapRate)
    private var pauseTimer: TimerID?
    private let log = Log(component: "bootstrap")
    private let answer: (BootstrapRequest) -> [UInt8]?
    /// Why a connection got no answer.
    private enum Refusal: String, CaseIterable {
        /// Too many connections at once.
        case crowd
        /// Too many requests a second, of its address or of all.
        case rate
        /// No whole request in time.
        case late
        /// No request of this cluster.
        case garbage
    }

    private static let refused: [Refusal: Counter] = Dictionary(
        uniqueKeysWithValues: Refusal.allCases.map { reason in
            let counter = Metrics.shared.counter(
                "modelexpress_bootstrap_refused_total",
                help: "Bootstrap connections refused or not answered, by reason.",
                labels: [("reason", reason.rawValue)])
            return (reason, counter)
        })
    private static let acceptFailures = Metrics.shared.counter(
        "modelexpress_bootstrap_accept_failures_total",
        help: "Times that accepting bootstrap connections paused since it failed.")

    /// `answer` gives the signed answer, or nil to stay silent.
    init(
        thread: EventThread, address: String, port: UInt16, answer: @escaping (BootstrapRequest) -> [UInt8]?
    ) throws(PeerHostError) {
        self.thread = thread
        self.answer = answer
        descriptor = try Self.listen(address, port)
        thread.register(descriptor: descriptor, events: .readable) { [unowned self] _ in acceptAll() }
    }

    var port: UInt16 {
        var storage = sockaddr_storage()
        var length = socklen_t(MemoryLayout<sockaddr_storage>.size)
        _ = withUnsafeMutablePointer(to: &storage) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1) { getsockname(descriptor, $0, &length) }
        }
        // The port lies at the same offset for both families.
        return withUnsafeBytes(of: storage) { UInt16($0[2]) << 8 | UInt16($0[3]) }
    }

    func close() {
        for connection in Array(connections.keys) { end(connection) }
        if let pauseTimer { thread.cancel(pauseTimer) }
        thread.unregister(descriptor: descriptor)
        Glibc.close(descriptor)
    }

    private static func listen(_ address: String, _ port: UInt16) throws(PeerHostError) -> Int32 {
        let (addresses, error) = SocketAddress.resolve(host: address, port: port, isPassive: true, limit: 1)
        guard let target = addresses.first else {
            throw .bind(what: "bootstrap", address: "\(address):\(port)", reason: error ?? "no such address")
        }
        let flags = Int32(SOCK_STREAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue) | Int32(SOCK_NONBLOCK.rawValue)
        let descriptor = socket(target.family, flags, 0)
        guard descriptor >= 0 else { throw .system("can't make a socket: \(errorText())") }
        var on: Int32 = 1
        setsockopt(descriptor, SOL_SOCKET, SO_REUSEADDR, &on, socklen_t(MemoryLayout<Int32>.size))
        guard target.withPointer({ Glibc.bind(descriptor, $0, target.length) }) == 0,
            Glibc.listen(descriptor, Int32(TransportLimits.bootstrapConnections)) == 0
        else {
            let reason = errorText()
            Glibc.close(descriptor)
            throw .bind(what: "bootstrap", address: "\(address):\(port)", reason: reason)
        }
        return descriptor
    }

    private func acceptAll() {
        for _ in 0..<TransportLimits.bootstrapConnections {
            var storage = sockaddr_storage()
            var length = socklen_t(MemoryLayout<sockaddr_storage>.size)
            let accepted = withUnsafeMutablePointer(to: &storage) {
                $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                    accept(descriptor, $0, &length)
                }
            }
            guard accepted >= 0 else { return pauseIfNeeded(errno) }
            mx_set_nonblocking(accepted, 1)
            mx_set_close_on_exec(accepted)
            let address = SocketAddress(storage: storage, length: length, family: Int32(storage.ss_family)).text
            let isCrowded = connections.count >= TransportLimits.bootstrapConnections
            guard !isCrowded, requests.allows(address, now: MonotonicClock.now()) else {
                Self.count(isCrowded ? .crowd : .rate)
                Glibc.close(accepted)
                continue
            }
            let timer = thread.schedule(after: TransportLimits.bootstrapTimeout) { [unowned self] in
                Self.count(.late)
                end(accepted)
            }
            connections[accepted] = Connection(timer: timer)
            thread.register(descriptor: accepted, events: .readable) { [unowned self] _ in receive(accepted) }
        }
    }

    /// After a failure that is no single client's, most likely since no descriptor is left. The listener stays readable, so
    /// asking again at once would spin.
    private func pauseIfNeeded(_ code: Int32) {
        guard ![EAGAIN, EINTR, ECONNABORTED].contains(code), pauseTimer == nil else { return }
        log.error("can't accept connections", [("reason", String(cString: strerror(code)))])
        Self.acceptFailures.increment()
        thread.modify(descriptor: descriptor, events: [])
        pauseTimer = thread.schedule(after: TransportLimits.acceptPause) { [unowned self] in
            pauseTimer = nil
            thread.modify(descriptor: descriptor, events: .readable)
        }
    }

    private func receive(_ socket: Int32) {
        guard var connection = connections[socket] else { return }
        var buffer = [UInt8](repeating: 0, count: WireLimits.bootstrapRequest + 1)
        let count = recv(socket, &buffer, buffer.count, 0)
        if count < 0, errno == EAGAIN || errno == EINTR { return }
        guard count > 0 else {
            Self.count(.garbage)
            return end(socket)
        }
        connection.received += buffer[..<count]
        connections[socket] = connection
        guard connection.received.count >= WireLimits.bootstrapRequest else { return }
        if let request = try? BootstrapRequest(decoding: connection.received), let bytes = answer(request) {
            var writer = WireWriter()
            writer.write(bytes)
            // An answer of a few hundred bytes fits a fresh socket's buffer.
            send(socket, writer.bytes, writer.bytes.count, Int32(MSG_NOSIGNAL))
        } else {
            Self.count(.garbage)
        }
        end(socket)
    }

    private static func count(_ refusal: Refusal) { refused[refusal]?.increment() }

    private func end(_ socket: Int32) {
        guard let connection = connections.removeValue(forKey: socket) else { return }
        thread.cancel(connection.timer)
        thread.unregister(descriptor: socket)
        Glibc.close(socket)
    }

    private static func errorText() -> String { String(cString: strerror(errno)) }
}
