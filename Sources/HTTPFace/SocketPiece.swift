import Glibc

/// One receive or send on a non-blocking socket.
enum SocketPiece {
    enum Received {
        case bytes(ArraySlice<UInt8>)
        case nothing
        /// The client's end, or an error.
        case ended
    }

    enum Sent {
        case sent(Int)
        case failed
    }

    static func receive(from descriptor: Int32) -> Received {
        var ended = false
        let bytes = [UInt8](unsafeUninitializedCapacity: HTTPLimits.pieceBytes) { buffer, count in
            let status = recv(descriptor, buffer.baseAddress, buffer.count, 0)
            count = max(0, status)
            ended = status == 0 || (status < 0 && !isTransient(errno))
        }
        if ended { return .ended }
        return bytes.isEmpty ? .nothing : .bytes(bytes[...])
    }

    /// Sends what the socket takes now, without SIGPIPE.
    static func send(_ bytes: ArraySlice<UInt8>, to descriptor: Int32) -> Sent {
        let status = bytes.withUnsafeBytes {
            Glibc.send(descriptor, $0.baseAddress, $0.count, Int32(MSG_NOSIGNAL))
        }
        if status >= 0 { return .sent(status) }
        return isTransient(errno) ? .sent(0) : .failed
    }

    private static func isTransient(_ code: Int32) -> Bool { code == EAGAIN || code == EWOULDBLOCK || code == EINTR }
}
