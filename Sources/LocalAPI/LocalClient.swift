import EventThread
import Glibc

/// Asks a peer of this host through its local socket. Blocks: not for a task. Used by one thread.
package final class LocalClient {
    private let path: String
    private let descriptor: Int32
    private var reader: LineReader

    /// Connects to the peer whose socket is at `path`.
    package static func connect(_ path: String) throws(LocalClientError) -> LocalClient {
        try LocalClient(path: path)
    }

    private init(path: String) throws(LocalClientError) {
        guard path.utf8.count <= LocalLimits.socketPath else {
            throw .failed(path: path, reason: "the path has more than \(LocalLimits.socketPath) bytes")
        }
        self.path = path
        do throws(SocketIO.Failure) {
            descriptor = try UnixSocket.make()
        } catch {
            throw Self.translate(error, path: path)
        }
        reader = LineReader(descriptor: descriptor, limit: LocalLimits.answer)
        guard UnixSocket.connect(descriptor, to: path) == 0 else {
            let code = errno
            // deinit closes: every property is set.
            throw [ENOENT, ECONNREFUSED, ENOTDIR].contains(code)
                ? .noPeer(path: path) : .failed(path: path, reason: SocketIO.text(code))
        }
    }

    deinit { close(descriptor) }

    /// Sends a request and gives each line of the answer to `each`, the last one included.
    ///
    /// - Parameter silence: nanoseconds without a line after which to give up; nil waits as long as the peer lives, for requests
    ///   such as `pull`.
    package func ask(
        _ request: LocalRequest, silence: UInt64? = LocalLimits.answerTimeout, each: (LocalAnswer) -> Void
    ) throws(LocalClientError) {
        try send(request)
        while true {
            let answer = try next(silence)
            each(answer)
            if answer.isLast { return }
        }
    }

    private func send(_ request: LocalRequest) throws(LocalClientError) {
        let line: [UInt8]
        do throws(LocalJSONError) {
            line = try LocalJSON.encode(request) + [UInt8(ascii: "\n")]
        } catch {
            throw .failed(path: path, reason: "\(error)")
        }
        do throws(SocketIO.Failure) {
            try SocketIO.send(line, to: descriptor, until: MonotonicClock.now() + LocalLimits.sendTimeout)
        } catch {
            // A peer that refuses closes at once, and its reason can still be read.
            guard case .failed(EPIPE) = error else { throw Self.translate(error, path: path) }
        }
    }

    private func next(_ silence: UInt64?) throws(LocalClientError) -> LocalAnswer {
        let line: [UInt8]?
        do throws(LineReader.Failure) {
            line = try reader.next(until: silence.map { MonotonicClock.now() + $0 })
        } catch {
            switch error {
            case .tooLong: throw .badAnswer(path: path, reason: "a line has over \(LocalLimits.answer) bytes")
            case .torn: throw .ended(path: path)
            case .timedOut: throw .silent(path: path)
            case .failed(let code): throw .failed(path: path, reason: SocketIO.text(code))
            }
        }
        guard let line else { throw .ended(path: path) }
        do throws(LocalJSONError) {
            return try LocalJSON.decode(LocalAnswer.self, from: line)
        } catch {
            throw .badAnswer(path: path, reason: "\(error)")
        }
    }

    private static func translate(_ failure: SocketIO.Failure, path: String) -> LocalClientError {
        switch failure {
        case .timedOut: .silent(path: path)
        case .failed(let code): .failed(path: path, reason: SocketIO.text(code))
        }
    }
}
