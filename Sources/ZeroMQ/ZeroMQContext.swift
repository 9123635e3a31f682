import CZeroMQ
import Glibc
import Telemetry

/// libzmq's I/O threads, and the namespace of its inproc endpoints. Any thread.
///
/// `@unchecked Sendable`: libzmq allows a context to be used from all threads, and what we keep beside its pointer is
/// behind a lock. The pointer is freed once, by whoever finds it terminated and without sockets.
package final class ZeroMQContext: @unchecked Sendable {
    /// How many sockets a context may have unless told otherwise; connections don't count.
    package static let defaultMaximumSockets = 4096

    private struct State {
        var openSockets = 0
        var isTerminated = false
        var isFreed = false

        /// True once: when nothing needs the context any more.
        mutating func shouldFree() -> Bool {
            guard isTerminated, openSockets == 0, !isFreed else { return false }
            isFreed = true
            return true
        }
    }

    private let context: UnsafeMutableRawPointer
    private let state = Guarded(State())

    /// - Parameters:
    ///   - ioThreads: 1 does for a sidecar, 2 for a server with thousands of connections.
    ///   - maximumSockets: how many sockets may be open.
    package init(ioThreads: Int = 1, maximumSockets: Int = defaultMaximumSockets) throws(ZeroMQError) {
        guard let context = zmq_ctx_new() else { throw ZeroMQError.last("make a context") }
        self.context = context
        do throws(ZeroMQError) {
            try set(ZMQ_IO_THREADS, "I/O threads", to: ioThreads)
            try set(ZMQ_MAX_SOCKETS, "maximum of sockets", to: maximumSockets)
            // Sockets linger for 0 ms from the moment they are made.
            try set(ZMQ_BLOCKY, "lingering", to: 0)
        } catch {
            zmq_ctx_term(context)
            state.withLock { $0.isFreed = true }
            throw error
        }
    }

    deinit { terminate() }

    /// Makes every call on this context's sockets fail from now on. Memory is freed when the last socket is closed, by the
    /// thread that closes it; nothing waits for a peer, since no socket lingers. Again does nothing.
    package func terminate() {
        let (isFirst, shouldFree) = state.withLock { state in
            let isFirst = !state.isTerminated && !state.isFreed
            state.isTerminated = true
            return (isFirst && state.openSockets > 0, state.shouldFree())
        }
        if isFirst { zmq_ctx_shutdown(context) }
        if shouldFree { free() }
    }

    /// A new libzmq socket, which keeps the context's memory until `closeSocket`.
    func openSocket(_ type: Int32) throws(ZeroMQError) -> UnsafeMutableRawPointer {
        let isOpen = state.withLock { state in
            if !state.isTerminated { state.openSockets += 1 }
            return !state.isTerminated
        }
        guard isOpen else { throw ZeroMQError(operation: "make a socket", subject: "", code: ZeroMQError.terminated) }
        if let socket = zmq_socket(context, type) { return socket }
        let error = ZeroMQError.last("make a socket")
        release()
        throw error
    }

    func closeSocket(_ socket: UnsafeMutableRawPointer) {
        zmq_close(socket)
        release()
    }

    private func release() {
        let shouldFree = state.withLock { state in
            state.openSockets -= 1
            return state.shouldFree()
        }
        if shouldFree { free() }
    }

    private func free() {
        while zmq_ctx_term(context) != 0 && zmq_errno() == EINTR {}
    }

    private func set(_ option: Int32, _ name: String, to value: Int) throws(ZeroMQError) {
        guard zmq_ctx_set(context, option, Int32(clamping: value)) == 0 else { throw ZeroMQError.last("set", name) }
    }
}
