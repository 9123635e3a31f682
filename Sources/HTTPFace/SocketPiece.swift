import Glibc

/// One receive or send on a non-blocking socket.
enum SocketPiece {
    /// The first byte of each TLS handshake.
    private static let handshakeByte: UInt8 = 0x16

    static func receive(from descriptor: Int32) -> ByteChannelReceived {
        var ended = false
        let bytes = [UInt8](unsafeUninitializedCapacity: HTTPLimits.pieceBytes) { buffer, count in
            let status = recv(descriptor, buffer.baseAddress, buffer.count, 0)
            count = max(0, status)
            ended = status == 0 || (status < 0 && !isTransient(errno))
        }
        if ended { return .ended }
        return bytes.isEmpty ? .nothing : .bytes(bytes)
    }

    /// Sends what the socket takes now, without SIGPIPE; nil when it failed.
    static func send(_ bytes: ArraySlice<UInt8>, to descriptor: Int32) -> Int? {
        let status = bytes.withUnsafeBytes {
            Glibc.send(descriptor, $0.baseAddress, $0.count, Int32(MSG_NOSIGNAL))
        }
        if status >= 0 { return status }
        return isTransient(errno) ? 0 : nil
    }

    /// Whether what has come first is anything but a TLS handshake: somebody who speaks plainly.
    static func beginsPlainly(_ descriptor: Int32) -> Bool {
        var byte: UInt8 = 0
        return recv(descriptor, &byte, 1, Int32(MSG_PEEK)) == 1 && byte != handshakeByte
    }

    private static func isTransient(_ code: Int32) -> Bool { code == EAGAIN || code == EWOULDBLOCK || code == EINTR }
}
