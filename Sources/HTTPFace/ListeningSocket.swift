import CLinux
import Glibc

/// The socket that connections come to; non-blocking, close-on-exec.
struct ListeningSocket {
    enum Accepted {
        /// Non-blocking, close-on-exec; the caller's.
        case connection(Int32)
        /// No more for now.
        case none
        /// The process or the system has no descriptor or memory left; errno.
        case exhausted(Int32)
    }

    let descriptor: Int32
    /// The port it got.
    let port: UInt16

    init(address: String, port: UInt16) throws(HTTPFaceError) {
        let info = try Self.resolve(address, port: port)
        defer { freeaddrinfo(info) }
        let family = info.pointee.ai_family
        let type = Int32(SOCK_STREAM.rawValue | SOCK_CLOEXEC.rawValue | SOCK_NONBLOCK.rawValue)
        descriptor = socket(family, type, 0)
        guard descriptor >= 0 else { throw Self.error(errno, address, port) }
        Self.setOption(descriptor, SOL_SOCKET, SO_REUSEADDR, 1)
        if family == AF_INET6 { Self.setOption(descriptor, Int32(IPPROTO_IPV6), IPV6_V6ONLY, 0) }
        // listen fails when another socket, bound before, has come to listen in between.
        guard bind(descriptor, info.pointee.ai_addr, info.pointee.ai_addrlen) == 0,
            listen(descriptor, HTTPLimits.backlog) == 0,
            let localPort = Self.localPort(of: descriptor)
        else {
            let code = errno
            Glibc.close(descriptor)
            throw Self.error(code, address, port)
        }
        self.port = localPort
    }

    func accept() -> Accepted {
        while true {
            let connection = Glibc.accept(descriptor, nil, nil)
            guard connection >= 0 else {
                switch errno {
                case EMFILE, ENFILE, ENOBUFS, ENOMEM: return .exhausted(errno)
                // The network's errors of a connection that failed before its turn come up here, too.
                case EINTR, ECONNABORTED, EPROTO, ENETDOWN, EHOSTUNREACH, ENETUNREACH: continue
                default: return .none
                }
            }
            mx_set_close_on_exec(connection)
            mx_set_nonblocking(connection, 1)
            // Answers are written whole, so waiting to fill a packet gains nothing.
            Self.setOption(connection, Int32(IPPROTO_TCP), TCP_NODELAY, 1)
            return .connection(connection)
        }
    }

    /// Gives the port back. Nobody may watch the descriptor any more.
    func close() { Glibc.close(descriptor) }

    private static func resolve(
        _ address: String, port: UInt16
    ) throws(HTTPFaceError) -> UnsafeMutablePointer<addrinfo> {
        var hints = addrinfo()
        hints.ai_socktype = Int32(SOCK_STREAM.rawValue)
        hints.ai_flags = Int32(AI_PASSIVE | AI_NUMERICHOST | AI_NUMERICSERV)
        var list: UnsafeMutablePointer<addrinfo>?
        guard getaddrinfo(address, String(port), &hints, &list) == 0, let list else { throw .notAnAddress(address) }
        return list
    }

    private static func localPort(of descriptor: Int32) -> UInt16? {
        var storage = sockaddr_storage()
        var size = socklen_t(MemoryLayout<sockaddr_storage>.size)
        let status = withUnsafeMutableBytes(of: &storage) { bytes in
            getsockname(descriptor, bytes.assumingMemoryBound(to: sockaddr.self).baseAddress, &size)
        }
        guard status == 0 else { return nil }
        // sin_port and sin6_port lie at the same place.
        return withUnsafeBytes(of: &storage) {
            UInt16(bigEndian: $0.loadUnaligned(fromByteOffset: 2, as: UInt16.self))
        }
    }

    private static func error(_ code: Int32, _ address: String, _ port: UInt16) -> HTTPFaceError {
        switch code {
        case EADDRINUSE: .portInUse(address: address, port: port)
        case EACCES: .portForbidden(address: address, port: port)
        case EADDRNOTAVAIL: .addressNotHere(address)
        default: .failed(address: address, port: port, reason: String(cString: strerror(code)))
        }
    }

    private static func setOption(_ descriptor: Int32, _ level: Int32, _ name: Int32, _ value: Int32) {
        var value = value
        setsockopt(descriptor, level, name, &value, socklen_t(MemoryLayout<Int32>.size))
    }
}
