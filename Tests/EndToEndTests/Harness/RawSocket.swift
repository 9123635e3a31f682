import CLinux
import Glibc

/// Sockets of somebody who doesn't speak the protocol. Blocking: for `onOwnThread`.
enum RawSocket {
    /// A connection to a port of this host; nil when it is refused.
    static func connect(port: UInt16) -> Int32? {
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_port = port.bigEndian
        address.sin_addr.s_addr = UInt32(0x7F00_0001).bigEndian
        return connect(AF_INET, &address)
    }

    /// A connection to a Unix socket; nil when it is refused.
    static func connect(path: String) -> Int32? {
        var address = sockaddr_un()
        address.sun_family = sa_family_t(AF_UNIX)
        let fits = withUnsafeMutableBytes(of: &address.sun_path) { buffer in
            guard path.utf8.count < buffer.count else { return false }
            buffer.copyBytes(from: path.utf8)
            return true
        }
        return fits ? connect(AF_UNIX, &address) : nil
    }

    /// A listening socket on a free port of this host.
    static func listen() throws -> (socket: Int32, port: UInt16) {
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_addr.s_addr = UInt32(0x7F00_0001).bigEndian
        let descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue), 0)
        var length = socklen_t(MemoryLayout<sockaddr_in>.size)
        let isListening = withAddress(&address) { pointer in
            bind(descriptor, pointer, length) == 0 && Glibc.listen(descriptor, 1) == 0
                && getsockname(descriptor, pointer, &length) == 0
        }
        guard isListening else { throw Files.failure("listen on", "a port") }
        return (descriptor, UInt16(bigEndian: address.sin_port))
    }

    /// A port on which nobody listens: it was free a moment ago.
    static func closedPort() throws -> UInt16 {
        let (descriptor, port) = try listen()
        close(descriptor)
        return port
    }

    static func send(_ bytes: [UInt8], to descriptor: Int32) {
        // Whoever is sent garbage may well hang up before all of it is there.
        _ = Glibc.send(descriptor, bytes, bytes.count, Int32(MSG_NOSIGNAL))
    }

    private static func connect<Address>(_ family: Int32, _ address: inout Address) -> Int32? {
        let descriptor = socket(family, Int32(SOCK_STREAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue), 0)
        guard descriptor >= 0 else { return nil }
        var limit = timeval(tv_sec: 1, tv_usec: 0)
        setsockopt(descriptor, SOL_SOCKET, SO_SNDTIMEO, &limit, socklen_t(MemoryLayout<timeval>.size))
        let length = socklen_t(MemoryLayout<Address>.size)
        guard withAddress(&address, { Glibc.connect(descriptor, $0, length) }) == 0 else {
            close(descriptor)
            return nil
        }
        return descriptor
    }

    private static func withAddress<Address, Result>(
        _ address: inout Address, _ body: (UnsafeMutablePointer<sockaddr>) -> Result
    ) -> Result {
        withUnsafeMutablePointer(to: &address) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1, body)
        }
    }
}
