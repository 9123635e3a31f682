import CLinux
import EventThread
import Glibc

/// Why a socket gave or took no more bytes.
enum SocketFailure: Error, Equatable, CustomStringConvertible {
    /// The other side closed it, or somebody here ended it by force.
    case ended
    case timedOut
    case system(call: String, code: Int32)

    var description: String {
        switch self {
        case .ended: "the other side closed the connection"
        case .timedOut: "no answer in time"
        case .system(let call, let code): "\(call): \(String(cString: strerror(code)))"
        }
    }

    /// Of a call that just failed; must be made before anything else can change errno.
    static func last(_ call: String) -> SocketFailure {
        let code = errno
        return code == EPIPE || code == ECONNRESET ? .ended : .system(call: call, code: code)
    }
}

/// A non-blocking stream socket that closes with its last reference, so that `abort` from another thread never meets a number
/// that already names something else. One thread receives and one sends; `abort` may be called by any.
final class Socket: Sendable {
    let descriptor: Int32

    /// Takes ownership of an open, non-blocking descriptor.
    init(adopting descriptor: Int32) { self.descriptor = descriptor }

    deinit { close(descriptor) }

    /// Ends both directions now and drops what is not sent yet. Whoever waits on the socket wakes up.
    func abort() {
        var reset = linger(l_onoff: 1, l_linger: 0)
        setsockopt(descriptor, SOL_SOCKET, SO_LINGER, &reset, socklen_t(MemoryLayout<linger>.size))
        shutdown(descriptor, Int32(SHUT_RDWR))
    }

    func setOption(_ level: Int32, _ name: Int32, _ value: Int32) {
        var value = value
        setsockopt(descriptor, level, name, &value, socklen_t(MemoryLayout<Int32>.size))
    }

    // MARK: Waiting

    /// Waits for events of poll(2), or an error or hang-up, which the next call on the socket reports.
    /// `deadline` is on MonotonicClock; nil waits for ever.
    func wait(for events: Int32, until deadline: UInt64?) throws(SocketFailure) {
        guard try poll(events, until: deadline) != nil else { throw .timedOut }
    }

    /// Does nothing for a while, unless the socket ends meanwhile.
    func pause(nanoseconds: UInt64) throws(SocketFailure) {
        if try poll(0, until: MonotonicClock.now() + nanoseconds) != nil { throw .ended }
    }

    /// What happened, or nil at the deadline.
    private func poll(_ events: Int32, until deadline: UInt64?) throws(SocketFailure) -> Int16? {
        while true {
            var entry = pollfd(fd: descriptor, events: Int16(truncatingIfNeeded: events), revents: 0)
            let happened = Glibc.poll(&entry, 1, Self.milliseconds(until: deadline))
            if happened > 0 { return entry.revents }
            if happened < 0, errno != EINTR { throw .last("poll") }
            if let deadline, MonotonicClock.now() >= deadline { return nil }
        }
    }

    private static func milliseconds(until deadline: UInt64?) -> Int32 {
        guard let deadline else { return -1 }
        let now = MonotonicClock.now()
        return deadline > now ? Int32(clamping: (deadline - now + 999_999) / 1_000_000) : 0
    }

    // MARK: Receiving

    /// Takes what is there, up to the buffer's size; nil when nothing is.
    func receiveSome(into buffer: UnsafeMutableRawBufferPointer) throws(SocketFailure) -> Int? {
        while true {
            let count = recv(descriptor, buffer.baseAddress, buffer.count, Int32(MSG_DONTWAIT))
            if count > 0 { return count }
            if count == 0 { throw .ended }
            if errno == EAGAIN { return nil }
            if errno != EINTR { throw .last("recv") }
        }
    }

    /// Fills the buffer; the deadline holds for the whole of it.
    func receiveAll(into buffer: UnsafeMutableRawBufferPointer, until deadline: UInt64?) throws(SocketFailure) {
        var filled = 0
        while filled < buffer.count {
            if let count = try receiveSome(into: UnsafeMutableRawBufferPointer(rebasing: buffer[filled...])) {
                filled += count
            } else {
                try wait(for: POLLIN, until: deadline)
            }
        }
    }

    /// Whether bytes have come that nobody took yet.
    var hasInput: Bool {
        var byte: UInt8 = 0
        return recv(descriptor, &byte, 1, Int32(MSG_PEEK | MSG_DONTWAIT)) > 0
    }

    func receive(_ count: Int, until deadline: UInt64?) throws(SocketFailure) -> [UInt8] {
        var bytes = [UInt8](repeating: 0, count: count)
        try bytes.withMutableBytes { (buffer) throws(SocketFailure) in
            try receiveAll(into: buffer, until: deadline)
        }
        return bytes
    }

    // MARK: Sending

    /// Sends what the kernel takes now, which may be nothing. `more` says that bytes follow at once.
    func sendSome(_ bytes: UnsafeRawBufferPointer, more: Bool = false) throws(SocketFailure) -> Int {
        let flags = Int32(MSG_DONTWAIT | MSG_NOSIGNAL | (more ? MSG_MORE : 0))
        while true {
            let count = Glibc.send(descriptor, bytes.baseAddress, bytes.count, flags)
            if count >= 0 { return count }
            if errno == EAGAIN { return 0 }
            if errno != EINTR { throw .last("send") }
        }
    }

    func send(_ bytes: [UInt8], until deadline: UInt64?, more: Bool = false) throws(SocketFailure) {
        try bytes.withBytes { (buffer) throws(SocketFailure) in
            var sent = 0
            while sent < buffer.count {
                let rest = UnsafeRawBufferPointer(rebasing: buffer[sent...])
                let count = try sendSome(rest, more: more)
                sent += count
                if count == 0 { try wait(for: POLLOUT, until: deadline) }
            }
        }
    }
}
