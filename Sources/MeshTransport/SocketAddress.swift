import Glibc

/// Host names and addresses, resolved. Resolving may wait for DNS: never on the peer's thread.
package struct SocketAddress: Sendable {
    let storage: sockaddr_storage
    let length: socklen_t
    let family: Int32

    /// Numeric text of the address, without port.
    package var text: String {
        var buffer = [CChar](repeating: 0, count: Int(NI_MAXHOST))
        let status = withPointer { getnameinfo($0, length, &buffer, socklen_t(buffer.count), nil, 0, NI_NUMERICHOST) }
        guard status == 0 else { return "?" }
        return String(decoding: buffer.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self)
    }

    func withPointer<Result>(_ body: (UnsafePointer<sockaddr>) -> Result) -> Result {
        withUnsafePointer(to: storage) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1) { body($0) }
        }
    }

    /// All stream addresses of a name, at most `limit`; the error is the resolver's sentence.
    package static func resolve(
        host: String, port: UInt16, isPassive: Bool = false, limit: Int
    ) -> (addresses: [SocketAddress], error: String?) {
        var hints = addrinfo()
        hints.ai_family = AF_UNSPEC
        hints.ai_socktype = Int32(SOCK_STREAM.rawValue)
        hints.ai_flags = isPassive ? AI_PASSIVE : 0
        var list: UnsafeMutablePointer<addrinfo>?
        let status = getaddrinfo(host, String(port), &hints, &list)
        guard status == 0 else { return ([], String(cString: gai_strerror(status))) }
        defer { freeaddrinfo(list) }
        var addresses: [SocketAddress] = []
        var cursor = list
        while let entry = cursor, addresses.count < limit {
            var storage = sockaddr_storage()
            let length = entry.pointee.ai_addrlen
            if let source = entry.pointee.ai_addr {
                withUnsafeMutableBytes(of: &storage) {
                    $0.copyMemory(from: UnsafeRawBufferPointer(start: source, count: Int(length)))
                }
                addresses.append(
                    SocketAddress(storage: storage, length: length, family: entry.pointee.ai_family))
            }
            cursor = entry.pointee.ai_next
        }
        return (addresses, nil)
    }
}

/// Which of this host's addresses others should use.
package enum AdvertisedAddress {
    /// The source address of the route to `target` (no packet is sent), nil when there is none. May wait for DNS.
    package static func towards(host: String, port: UInt16) -> String? {
        for address in SocketAddress.resolve(host: host, port: port, limit: 1).addresses {
            let descriptor = socket(address.family, Int32(SOCK_DGRAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue), 0)
            guard descriptor >= 0 else { continue }
            defer { close(descriptor) }
            guard address.withPointer({ connect(descriptor, $0, address.length) }) == 0 else { continue }
            var storage = sockaddr_storage()
            var length = socklen_t(MemoryLayout<sockaddr_storage>.size)
            let status = withUnsafeMutablePointer(to: &storage) {
                $0.withMemoryRebound(to: sockaddr.self, capacity: 1) { getsockname(descriptor, $0, &length) }
            }
            guard status == 0 else { continue }
            return SocketAddress(storage: storage, length: length, family: address.family).text
        }
        return nil
    }

    /// Towards the first of `peers` (`host:port`) that resolves; without any, the address of the default route (towards a
    /// documentation address), else loopback.
    package static func find(towards peers: [String]) -> String {
        for peer in peers {
            guard let colon = peer.lastIndex(of: ":"), let port = UInt16(peer[peer.index(after: colon)...]) else {
                continue
            }
            let host = peer[..<colon].filter { $0 != "[" && $0 != "]" }
            if let address = towards(host: host, port: port) { return address }
        }
        return towards(host: "192.0.2.1", port: 9) ?? "127.0.0.1"
    }
}
