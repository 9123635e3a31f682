import CLinux
import Glibc

/// A TCP connection that libzmq has, by the descriptor that libzmq tells. libzmq may close it at any moment, and the number
/// may become another socket's, so the kernel is asked whether it is still the same one before anything is done to it.
struct TCPConnection: Hashable {
    let descriptor: Int32
    /// The kernel's own number of the socket.
    let cookie: UInt64

    /// Nil when it is gone.
    init?(descriptor: Int32) {
        var cookie: UInt64 = 0
        guard descriptor >= 0, mx_socket_cookie(descriptor, &cookie) == 0 else { return nil }
        self.descriptor = descriptor
        self.cookie = cookie
    }

    private var isThere: Bool {
        var now: UInt64 = 0
        return mx_socket_cookie(descriptor, &now) == 0 && now == cookie
    }

    /// Bytes that came on it, read by libzmq or not; nil when it is gone.
    var receivedBytes: UInt64? {
        var bytes: UInt64 = 0
        guard isThere, mx_tcp_received(descriptor, &bytes) == 0 else { return nil }
        return bytes
    }

    /// The other side's numeric address; nil when it is gone.
    var address: String? {
        var storage = sockaddr_storage()
        var length = socklen_t(MemoryLayout<sockaddr_storage>.size)
        let status = withUnsafeMutablePointer(to: &storage) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1) { getpeername(descriptor, $0, &length) }
        }
        guard status == 0 else { return nil }
        return SocketAddress(storage: storage, length: length, family: Int32(storage.ss_family)).text
    }

    /// Ends it in both directions; libzmq sees an end of stream and drops it. libzmq itself has no call for that. Were the number
    /// used again between the question and the shutdown, a connection of ours would be lost, which each of them must bear.
    ///
    /// - Returns: false when it was gone already.
    func cut() -> Bool {
        guard isThere else { return false }
        // Closing then resets it: nothing lingers in the kernel, and the other side's sends fail at once.
        var now = linger(l_onoff: 1, l_linger: 0)
        setsockopt(descriptor, SOL_SOCKET, SO_LINGER, &now, socklen_t(MemoryLayout<linger>.size))
        return shutdown(descriptor, Int32(SHUT_RDWR)) == 0
    }
}
