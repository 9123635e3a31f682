import EventThread
import Glibc
import Records
import Signing
import ZeroMQ

/// Who answered on a bootstrap port.
struct LoadServer: Sendable {
    let peer: PeerID
    let curveKey: CurveKey
    let endpoints: Endpoints
}

/// One CURVE channel to a server, from a source address of its own: a server bounds what one address may do. For the thread that
/// `loop` belongs to.
final class LoadLink {
    private let socket: ZeroMQSocket
    private let loop: ZeroMQLoop

    init(
        _ server: LoadServer, as identity: LoadIdentity, from source: String, context: ZeroMQContext, loop: ZeroMQLoop,
        received: @escaping (ControlMessage) -> Void
    ) throws {
        var options = ZeroMQSocketOptions()
        options.curve = .client(
            serverKey: server.curveKey.bytes, publicKey: identity.secrets.curveKey.bytes,
            secretKey: identity.secrets.curveSecretKey)
        options.maximumMessageSize = Int64(WireLimits.controlMessage + 4_096)
        options.sendHighWater = 100_000
        options.receiveHighWater = 1_000
        options.immediate = true
        socket = try ZeroMQSocket(context: context, kind: .dealer, options: options)
        self.loop = loop
        loop.add(socket) { message in
            if let bytes = message.frames.last, let message = try? ControlMessage(decoding: bytes) { received(message) }
        }
        try socket.connect("tcp://\(source):0;\(server.endpoints.host):\(server.endpoints.controlPort)")
    }

    /// False while the connection doesn't stand.
    @discardableResult
    func send(_ message: [UInt8]) -> Bool { (try? socket.send([message])) ?? false }

    func close() {
        loop.remove(socket)
        socket.close()
    }

    /// The address on loopback of the peer with this number.
    static func source(_ number: Int) -> String { "127.1.\(number / 250 % 250).\(number % 250 + 1)" }

    /// Asks on a bootstrap port. Blocks.
    static func bootstrap(_ seed: String, cluster: ClusterID, from source: String) -> LoadServer? {
        guard let colon = seed.lastIndex(of: ":"), let port = UInt16(seed[seed.index(after: colon)...]),
            let request = BootstrapRequest(cluster: cluster, nonce: [UInt8](repeating: 7, count: 24))
        else { return nil }
        let descriptor = Glibc.socket(AF_INET, Int32(SOCK_STREAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue), 0)
        guard descriptor >= 0 else { return nil }
        defer { Glibc.close(descriptor) }
        var patience = timeval(tv_sec: 5, tv_usec: 0)
        setsockopt(descriptor, SOL_SOCKET, SO_RCVTIMEO, &patience, socklen_t(MemoryLayout<timeval>.size))
        var (ours, theirs) = (address(source, 0), address(String(seed[..<colon]), port))
        guard withAddress(&ours, { bind(descriptor, $0, $1) }) == 0,
            withAddress(&theirs, { connect(descriptor, $0, $1) }) == 0
        else { return nil }
        let bytes = request.encoded
        guard Glibc.send(descriptor, bytes, bytes.count, Int32(MSG_NOSIGNAL)) == bytes.count else { return nil }
        guard let head = read(4, descriptor) else { return nil }
        let size = head.reversed().reduce(0) { $0 << 8 | Int($1) }
        guard size <= WireLimits.bootstrapAnswer, let answer = read(size, descriptor),
            let signed = try? SignedPayload<BootstrapAnswer>(decoding: answer)
        else { return nil }
        let chain = signed.value.chain
        return LoadServer(
            peer: chain.peer, curveKey: chain.certificate.value.curveKey, endpoints: signed.value.endpoints)
    }

    private static func address(_ host: String, _ port: UInt16) -> sockaddr_in {
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_port = port.bigEndian
        inet_pton(AF_INET, host, &address.sin_addr)
        return address
    }

    private static func withAddress(
        _ address: inout sockaddr_in, _ body: (UnsafePointer<sockaddr>, socklen_t) -> Int32
    ) -> Int32 {
        withUnsafePointer(to: &address) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                body($0, socklen_t(MemoryLayout<sockaddr_in>.size))
            }
        }
    }

    private static func read(_ count: Int, _ descriptor: Int32) -> [UInt8]? {
        var bytes: [UInt8] = []
        var piece = [UInt8](repeating: 0, count: count)
        while bytes.count < count {
            let got = recv(descriptor, &piece, count - bytes.count, 0)
            guard got > 0 else { return nil }
            bytes += piece[..<got]
        }
        return bytes
    }
}
