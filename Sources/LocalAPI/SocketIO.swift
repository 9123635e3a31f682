import CLinux
import EventThread
import Glibc

/// Waiting, sending and receiving with deadlines (`MonotonicClock`), on blocking or non-blocking stream sockets.
package enum SocketIO {
    /// How a call ended that didn't do its work.
    package enum Failure: Error, Hashable {
        case timedOut
        /// errno.
        case failed(Int32)
    }

    /// Bytes asked for at once.
    static let pieceSize = 64 * 1024

    /// Waits for poll events; nil waits without end.
    package static func wait(_ descriptor: Int32, for events: Int32, until deadline: UInt64?) throws(Failure) {
        while true {
            var entry = pollfd(fd: descriptor, events: Int16(events), revents: 0)
            let now = MonotonicClock.now()
            let left = deadline.map { Int64(clamping: $0 > now ? $0 - now : 0) } ?? -1
            let count = mx_poll(&entry, 1, left)
            if count > 0 { return }
            if count == 0 { throw .timedOut }
            if errno != EINTR { throw .failed(errno) }
        }
    }

    /// Sends all of it, without SIGPIPE.
    package static func send(_ bytes: [UInt8], to descriptor: Int32, until deadline: UInt64) throws(Failure) {
        var sent = 0
        while sent < bytes.count {
            let count = bytes[sent...].withUnsafeBytes {
                Glibc.send(descriptor, $0.baseAddress, $0.count, Int32(MSG_NOSIGNAL) | Int32(MSG_DONTWAIT))
            }
            if count >= 0 {
                sent += count
            } else if errno == EAGAIN || errno == EWOULDBLOCK {
                try wait(descriptor, for: POLLOUT, until: deadline)
            } else if errno != EINTR {
                throw .failed(errno)
            }
        }
    }

    /// Adds the next piece to `buffer`; false at the end of the stream.
    package static func receive(
        into buffer: inout [UInt8], from descriptor: Int32, until deadline: UInt64?
    ) throws(Failure) -> Bool {
        while true {
            try wait(descriptor, for: POLLIN, until: deadline)
            var piece = [UInt8](repeating: 0, count: pieceSize)
            let count = recv(descriptor, &piece, piece.count, Int32(MSG_DONTWAIT))
            if count > 0 {
                buffer.append(contentsOf: piece[..<count])
                return true
            }
            if count == 0 { return false }
            if errno != EAGAIN && errno != EWOULDBLOCK && errno != EINTR { throw .failed(errno) }
        }
    }

    package static func text(_ code: Int32) -> String { String(cString: strerror(code)) }
}
