import EventThread
import Glibc
import Synchronization
import Telemetry

/// Where the answers to one client go. Any thread.
package final class LocalReply: Sendable {
    private let descriptor: Int32
    private let isGone = Atomic<Bool>(false)
    /// Whether the answer's last line was sent; it also keeps lines of several threads apart.
    private let isFinished = Guarded(false)

    /// - Parameter descriptor: stays open for longer than this lives.
    init(descriptor: Int32) { self.descriptor = descriptor }

    /// Whether nobody reads the answers any more; it turns true soon after the client ended or the server stopped.
    package var isClientGone: Bool { isGone.load(ordering: .acquiring) }

    /// Sends one line; the last one has `isLast`, and lines after it are not sent.
    ///
    /// Blocks while the client is slow, `LocalLimits.sendTimeout` at most: not for a thread that moves bytes.
    ///
    /// - Returns: false when the client is gone or the last line was sent before.
    @discardableResult
    package func send(_ answer: LocalAnswer) -> Bool {
        isFinished.withLock { isFinished in
            guard !isFinished, !isClientGone else { return false }
            isFinished = answer.isLast
            return write(line(answer))
        }
    }

    /// Ends an answer with an error.
    @discardableResult
    package func fail(_ message: String, exitCode: Int) -> Bool {
        var answer = LocalAnswer(isLast: true)
        answer.error = message
        answer.exitCode = exitCode
        return send(answer)
    }

    func markGone() { isGone.store(true, ordering: .releasing) }

    /// The next request of the same client begins.
    func restart() { isFinished.withLock { $0 = false } }

    private func line(_ answer: LocalAnswer) -> [UInt8] {
        do throws(LocalJSONError) {
            return try LocalJSON.encode(answer) + [UInt8(ascii: "\n")]
        } catch {
            return Array(#"{"error":"an answer has no form in JSON","exit_code":1,"is_last":true}"#.utf8) + [10]
        }
    }

    private func write(_ bytes: [UInt8]) -> Bool {
        do throws(SocketIO.Failure) {
            try SocketIO.send(bytes, to: descriptor, until: MonotonicClock.now() + LocalLimits.sendTimeout)
            return true
        } catch {
            markGone()
            return false
        }
    }
}
