import CLinux
import EventThread
import Glibc

/// Makes sockets: listening, accepted, connected.
enum SocketEndpoints {
    // MARK: TCP

    /// A listening socket and the port it got. `address` is numeric; "::" takes IPv4 as well.
    static func listenTCP(address: String, port: UInt16) throws(SocketFailure) -> (socket: Socket, port: UInt16) {
        let flags = Int32(AI_PASSIVE | AI_NUMERICHOST)
        guard let found = try? resolve(address, port: port, flags: flags), let target = found.first else {
            throw .system(call: "getaddrinfo", code: EINVAL)
        }
        let socket = try open(target.family)
        socket.setOption(SOL_SOCKET, SO_REUSEADDR, 1)
        if target.family == AF_INET6 { socket.setOption(Int32(IPPROTO_IPV6), IPV6_V6ONLY, 0) }
        guard target.withAddress({ bind(socket.descriptor, $0, $1) }) == 0 else { throw .last("bind") }
        guard listen(socket.descriptor, LaneLimits.backlog) == 0 else { throw .last("listen") }
        return (socket, try localPort(of: socket))
    }

    /// Connects to the first address of a name that answers. Blocks for the look-up, then until the time-out of each address.
    /// `using` learns each socket before it waits, so that somebody else can end the waiting by `abort`.
    static func connectTCP(host: String, port: UInt16, using: (Socket) -> Bool) throws(LaneError) -> Socket {
        var failure = LaneError.unreachable("\(host) has no address")
        for target in try resolve(host, port: port, flags: 0) {
            do throws(SocketFailure) {
                let socket = try open(target.family)
                guard using(socket) else { throw .ended }
                try connect(socket, to: target)
                tuneTCP(socket)
                return socket
            } catch {
                failure = .unreachable("\(host) port \(port): \(error)")
            }
        }
        throw failure
    }

    /// Small frames go out at once, and a host that vanished is noticed.
    static func tuneTCP(_ socket: Socket) {
        let tcp = Int32(IPPROTO_TCP)
        socket.setOption(tcp, TCP_NODELAY, 1)
        socket.setOption(SOL_SOCKET, SO_KEEPALIVE, 1)
        socket.setOption(tcp, TCP_KEEPIDLE, LaneLimits.keepaliveIdle)
        socket.setOption(tcp, TCP_KEEPINTVL, LaneLimits.keepaliveInterval)
        socket.setOption(tcp, TCP_KEEPCNT, LaneLimits.keepaliveProbes)
        socket.setOption(tcp, TCP_USER_TIMEOUT, LaneLimits.userTimeout)
    }

    // MARK: Unix

    /// A listening socket at `path`, which must be free, with mode 0600 from its first moment on.
    static func listenUnix(path: String) throws(SocketFailure) -> Socket {
        let socket = try open(AF_UNIX)
        // bind gives the file the mode of the socket's own inode; umask would belong to the whole process.
        guard fchmod(socket.descriptor, 0o600) == 0 else { throw .last("fchmod") }
        guard SocketAddress(unixPath: path).withAddress({ bind(socket.descriptor, $0, $1) }) == 0 else {
            throw .last("bind")
        }
        guard listen(socket.descriptor, LaneLimits.backlog) == 0 else { throw .last("listen") }
        return socket
    }

    static func connectUnix(path: String) throws(SocketFailure) -> Socket {
        let socket = try open(AF_UNIX)
        try connect(socket, to: SocketAddress(unixPath: path))
        return socket
    }

    // MARK: Both

    /// The next waiting connection; nil when there is none.
    static func accept(from listener: Socket) throws(SocketFailure) -> Socket? {
        while true {
            let descriptor = Glibc.accept(listener.descriptor, nil, nil)
            if descriptor >= 0 {
                mx_set_close_on_exec(descriptor)
                mx_set_nonblocking(descriptor, 1)
                return Socket(adopting: descriptor)
            }
            switch errno {
            case EAGAIN: return nil
            case EINTR, ECONNABORTED: continue
            default: throw .last("accept")
            }
        }
    }

    private static func open(_ family: Int32) throws(SocketFailure) -> Socket {
        let type = SOCK_STREAM.rawValue | SOCK_CLOEXEC.rawValue | SOCK_NONBLOCK.rawValue
        let descriptor = socket(family, Int32(type), 0)
        guard descriptor >= 0 else { throw .last("socket") }
        return Socket(adopting: descriptor)
    }

    private static func connect(_ socket: Socket, to target: SocketAddress) throws(SocketFailure) {
        let status = target.withAddress { Glibc.connect(socket.descriptor, $0, $1) }
        if status == 0 { return }
        guard errno == EINPROGRESS || errno == EINTR else { throw .last("connect") }
        try socket.wait(for: POLLOUT, until: MonotonicClock.now() + LaneLimits.connectTimeout)
        var code: Int32 = 0
        var size = socklen_t(MemoryLayout<Int32>.size)
        getsockopt(socket.descriptor, SOL_SOCKET, SO_ERROR, &code, &size)
        guard code == 0 else { throw .system(call: "connect", code: code) }
    }

    private static func localPort(of socket: Socket) throws(SocketFailure) -> UInt16 {
        var storage = sockaddr_storage()
        var size = socklen_t(MemoryLayout<sockaddr_storage>.size)
        let status = withUnsafeMutableBytes(of: &storage) { bytes in
            getsockname(socket.descriptor, bytes.assumingMemoryBound(to: sockaddr.self).baseAddress, &size)
        }
        guard status == 0 else { throw .last("getsockname") }
        // sin_port and sin6_port lie at the same place.
        return withUnsafeBytes(of: &storage) {
            UInt16(bigEndian: $0.loadUnaligned(fromByteOffset: 2, as: UInt16.self))
        }
    }

    private static func resolve(_ host: String, port: UInt16, flags: Int32) throws(LaneError) -> [SocketAddress] {
        var hints = addrinfo()
        hints.ai_family = AF_UNSPEC
        hints.ai_socktype = Int32(SOCK_STREAM.rawValue)
        hints.ai_flags = flags | Int32(AI_NUMERICSERV)
        var list: UnsafeMutablePointer<addrinfo>?
        let status = getaddrinfo(host, String(port), &hints, &list)
        guard status == 0 else { throw .unreachable("\(host): \(String(cString: gai_strerror(status)))") }
        defer { freeaddrinfo(list) }
        var found: [SocketAddress] = []
        var entry = list
        while let current = entry {
            if let address = SocketAddress(copying: current.pointee) { found.append(address) }
            entry = current.pointee.ai_next
        }
        return found
    }
}

/// A socket address of any family, by value.
struct SocketAddress {
    let family: Int32
    private let bytes: [UInt8]

    init?(copying info: addrinfo) {
        guard let address = info.ai_addr else { return nil }
        family = info.ai_family
        bytes = Array(UnsafeRawBufferPointer(start: address, count: Int(info.ai_addrlen)))
    }

    /// `path` is at most `LaneLimits.socketPath` bytes long.
    init(unixPath path: String) {
        precondition(path.utf8.count <= LaneLimits.socketPath, "the path \(path) is too long for a socket")
        family = AF_UNIX
        let familyBytes = withUnsafeBytes(of: sa_family_t(AF_UNIX)) { Array($0) }
        let rest = MemoryLayout<sockaddr_un>.size - familyBytes.count - path.utf8.count
        bytes = familyBytes + Array(path.utf8) + [UInt8](repeating: 0, count: rest)
    }

    func withAddress<Result>(_ body: (UnsafePointer<sockaddr>?, socklen_t) -> Result) -> Result {
        bytes.withUnsafeBytes { body($0.assumingMemoryBound(to: sockaddr.self).baseAddress, socklen_t($0.count)) }
    }
}
