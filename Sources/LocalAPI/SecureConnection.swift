import EventThread
import Glibc
package import TLS

/// A connected socket that speaks TLS and waits, with one deadline for all it does and one patience for each silence. For one thread
/// that may block.
///
/// The descriptor stays the caller's, and must live as long.
package struct SecureConnection {
    package enum Failure: Error, Hashable {
        case socket(SocketIO.Failure)
        /// The handshake, the certificate or a record; in OpenSSL's words.
        case stream(String)
    }

    /// Bytes asked for at once: a record's content.
    private static let piece = 16 * 1024

    private let stream: TLSStream
    private let descriptor: Int32
    private let deadline: UInt64
    private let patience: UInt64

    /// - Parameters:
    ///   - host: the name or numeric address that the other's certificate must be for.
    ///   - deadline: of `MonotonicClock`.
    ///   - patience: nanoseconds that the other may say nothing for.
    package init(
        _ context: TLSContext, descriptor: Int32, host: String, until deadline: UInt64, patience: UInt64
    ) throws(TLSError) {
        stream = try TLSStream(context, descriptor: descriptor, host: host)
        self.descriptor = descriptor
        self.deadline = deadline
        self.patience = patience
    }

    /// Sends one HTTP request and reads the answer.
    ///
    /// - Throws: `Failure` or `HTTPAnswer.Malformed`.
    package func exchange(
        _ request: [UInt8], answer: inout HTTPAnswer
    ) throws -> (status: Int, body: [UInt8]) {
        try Self.withoutPipeSignal {
            try shakeHands()
            try send(request)
            return try answer.read { (buffer) throws(Failure) in try receive(into: &buffer) }
        }
    }

    private func shakeHands() throws(Failure) {
        while true {
            switch stream.handshake() {
            case .done: return
            case .wantsRead: try wait(POLLIN)
            case .wantsWrite: try wait(POLLOUT)
            case .failed(let reason): throw .stream(reason)
            }
        }
    }

    private func send(_ bytes: [UInt8]) throws(Failure) {
        var sent = 0
        while sent < bytes.count {
            switch stream.send(bytes[sent...]) {
            case .sent(0): try wait(POLLOUT)
            case .sent(let count): sent += count
            case .failed(let reason): throw .stream(reason)
            }
        }
    }

    /// Adds the next piece to `buffer`; false at the end.
    private func receive(into buffer: inout [UInt8]) throws(Failure) -> Bool {
        while true {
            switch stream.receive(Self.piece) {
            case .bytes(let bytes):
                buffer += bytes
                return true
            case .nothing: try wait(POLLIN)
            case .ended: return false
            case .failed(let reason): throw .stream(reason)
            }
        }
    }

    private func wait(_ events: Int32) throws(Failure) {
        do throws(SocketIO.Failure) {
            try SocketIO.wait(descriptor, for: events, until: min(deadline, MonotonicClock.now() + patience))
        } catch {
            throw .socket(error)
        }
    }

    /// OpenSSL writes to sockets that the other side may have closed, and can't be told to raise no SIGPIPE: this thread takes none
    /// meanwhile, and one that came is thrown away.
    private static func withoutPipeSignal<Result>(_ work: () throws -> Result) rethrows -> Result {
        var (pipe, before, pending) = (sigset_t(), sigset_t(), sigset_t())
        sigemptyset(&pipe)
        sigaddset(&pipe, SIGPIPE)
        pthread_sigmask(SIG_BLOCK, &pipe, &before)
        defer {
            sigpending(&pending)
            var now = timespec()
            if sigismember(&before, SIGPIPE) == 0, sigismember(&pending, SIGPIPE) == 1 {
                sigtimedwait(&pipe, nil, &now)
            }
            pthread_sigmask(SIG_SETMASK, &before, nil)
        }
        return try work()
    }
}
