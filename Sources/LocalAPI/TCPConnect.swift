import CLinux
import Glibc

/// Makes TCP connections by host name.
package enum TCPConnect {
    package enum Failure: Error, Hashable {
        case unknownHost(reason: String)
        case socket(SocketIO.Failure)
    }

    /// Tries the host's addresses in the resolver's order. Looking the name up has the resolver's own time-out.
    package static func open(host: String, port: UInt16, until deadline: UInt64) throws(Failure) -> Int32 {
        var hints = addrinfo()
        hints.ai_socktype = Int32(SOCK_STREAM.rawValue)
        var list: UnsafeMutablePointer<addrinfo>?
        let status = getaddrinfo(host, String(port), &hints, &list)
        guard status == 0 else { throw .unknownHost(reason: String(cString: gai_strerror(status))) }
        defer { freeaddrinfo(list) }
        var failure = SocketIO.Failure.failed(EADDRNOTAVAIL)
        var entry = list
        while let address = entry?.pointee {
            do throws(SocketIO.Failure) {
                return try connect(address, until: deadline)
            } catch {
                failure = error
            }
            entry = address.ai_next
        }
        throw .socket(failure)
    }

    private static func connect(_ address: addrinfo, until deadline: UInt64) throws(SocketIO.Failure) -> Int32 {
        let type = address.ai_socktype | Int32(SOCK_CLOEXEC.rawValue) | Int32(SOCK_NONBLOCK.rawValue)
        let descriptor = socket(address.ai_family, type, address.ai_protocol)
        guard descriptor >= 0 else { throw .failed(errno) }
        do throws(SocketIO.Failure) {
            if Glibc.connect(descriptor, address.ai_addr, address.ai_addrlen) != 0 {
                guard errno == EINPROGRESS else { throw .failed(errno) }
                try SocketIO.wait(descriptor, for: POLLOUT, until: deadline)
                var code: Int32 = 0
                var length = socklen_t(MemoryLayout<Int32>.size)
                getsockopt(descriptor, SOL_SOCKET, SO_ERROR, &code, &length)
                guard code == 0 else { throw .failed(code) }
            }
            return descriptor
        } catch {
            close(descriptor)
            throw error
        }
    }
}
