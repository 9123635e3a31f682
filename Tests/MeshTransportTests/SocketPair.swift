import Glibc
import Testing

/// Both ends of a TCP connection on loopback.
final class SocketPair {
    let near: Int32
    let far: Int32

    init() throws {
        let listener = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
        defer { close(listener) }
        let bound = Loopback.with(port: 0) { bind(listener, $0, $1) }
        try #require(bound == 0 && listen(listener, 1) == 0)
        far = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
        let connected = Loopback.with(port: Loopback.port(of: listener)) { [far] in connect(far, $0, $1) }
        try #require(connected == 0)
        near = accept(listener, nil, nil)
        try #require(near >= 0)
    }

    deinit {
        close(near)
        close(far)
    }
}

enum Loopback {
    static func with<Result>(port: UInt16, _ body: (UnsafePointer<sockaddr>, socklen_t) -> Result) -> Result {
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_port = port.bigEndian
        address.sin_addr.s_addr = UInt32(0x7F00_0001).bigEndian
        return withUnsafePointer(to: &address) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                body($0, socklen_t(MemoryLayout<sockaddr_in>.size))
            }
        }
    }

    static func port(of descriptor: Int32) -> UInt16 {
        var address = sockaddr_in()
        var length = socklen_t(MemoryLayout<sockaddr_in>.size)
        _ = withUnsafeMutablePointer(to: &address) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1) { getsockname(descriptor, $0, &length) }
        }
        return UInt16(bigEndian: address.sin_port)
    }
}
