import CLinux
import EventThread
import Glibc
import Telemetry

/// What a process does with requests on its local socket.
package protocol LocalRequestHandler: Sendable {
    /// Answers one request; the last line sent has `isLast`. Called on the connection's own thread, which may block; it should
    /// return soon after `reply.isClientGone` turned true.
    func handle(_ request: LocalRequest, reply: LocalReply)
}

/// Answers the command line at a Unix socket, JSON lines both ways.
///
/// One thread listens and notices clients that leave; each client has a thread of its own, `maximumConnections` at most.
package final class LocalServer: Sendable {
    package static let maximumConnections = LocalLimits.maximumConnections

    private struct State {
        /// By descriptor; a descriptor here is open.
        var replies: [Int32: LocalReply] = [:]
        var isStopped = false
        /// Whether the thread still watches descriptors, so that only it may close them.
        var isWatched = true
        /// Those to close once nobody watches them.
        var finished: [Int32] = []
    }

    /// Where it listens.
    package let path: String
    private let file: SocketFile
    private let thread: EventThread
    private let handler: any LocalRequestHandler
    private let state = Guarded(State())
    private let refused: Counter
    private let acceptFailures: Counter
    private let log = Log(component: "local-api")

    /// Listens at `path` and serves from now on, until `stop()`.
    package init(path: String, handler: any LocalRequestHandler) throws(LocalServerError) {
        self.path = path
        self.handler = handler
        refused = Metrics.shared.counter(
            "modelexpress_local_api_refused_total", help: "Local clients refused since too many were there.")
        acceptFailures = Metrics.shared.counter(
            "modelexpress_local_api_accept_failures_total",
            help: "Times that accepting local clients paused since it failed.")
        file = try SocketFile(path: path)
        do throws(EventThreadError) {
            thread = try EventThread(name: "local-api")
            try thread.run()
        } catch {
            throw .failed(path: path, reason: "\(error)")
        }
        thread.post { [weak self] in self?.listen() }
    }

    deinit { stop() }

    /// Removes the socket, ends the connections, and tells running handlers that their clients are gone. Again does nothing.
    ///
    /// Doesn't wait for handlers. Never call it from a task.
    package func stop() {
        let isFirst = state.withLock { state in
            let isFirst = !state.isStopped
            state.isStopped = true
            for (descriptor, reply) in state.replies {
                reply.markGone()
                shutdown(descriptor, Int32(SHUT_RDWR))
            }
            return isFirst
        }
        guard isFirst else { return }
        if thread.isCurrent { unregisterAll() }
        thread.stop()
        state.withLock { state in
            state.isWatched = false
            for descriptor in state.finished { Self.close(descriptor, in: &state) }
            state.finished = []
        }
        file.remove()
    }

    private func unregisterAll() {
        thread.unregister(descriptor: file.descriptor)
        for descriptor in state.withLock({ Array($0.replies.keys) }) { thread.unregister(descriptor: descriptor) }
    }

    private func listen() {
        thread.register(descriptor: file.descriptor, events: .readable) { [weak self] _ in self?.accept() }
    }

    private func accept() {
        let descriptor = Glibc.accept(file.descriptor, nil, nil)
        guard descriptor >= 0 else { return pauseIfNeeded(errno) }
        mx_set_close_on_exec(descriptor)
        let reply = LocalReply(descriptor: descriptor)
        guard admit(descriptor, reply) else {
            refused.increment()
            reply.fail(
                "\(Self.maximumConnections) clients are served already; try again later",
                exitCode: ExitCodes.unreachable)
            Glibc.close(descriptor)
            return
        }
        // No event is asked for: a client that left is reported always, one that only finished writing is not.
        thread.register(descriptor: descriptor, events: []) { [weak self] _ in self?.noticeEnd(descriptor, reply) }
        start(LocalConnection(descriptor: descriptor, reply: reply, handler: handler))
    }

    /// After a failure that is no single client's, most likely since no descriptor is left. The socket stays readable, so
    /// asking again at once would spin.
    private func pauseIfNeeded(_ code: Int32) {
        guard ![EAGAIN, EINTR, ECONNABORTED].contains(code) else { return }
        log.error("can't accept local clients", [("reason", String(cString: strerror(code)))])
        acceptFailures.increment()
        thread.modify(descriptor: file.descriptor, events: [])
        thread.schedule(after: LocalLimits.acceptPause) { [weak self] in
            guard let self else { return }
            thread.modify(descriptor: file.descriptor, events: .readable)
        }
    }

    private func admit(_ descriptor: Int32, _ reply: LocalReply) -> Bool {
        state.withLock { state in
            guard state.replies.count < Self.maximumConnections, !state.isStopped else { return false }
            state.replies[descriptor] = reply
            return true
        }
    }

    private func noticeEnd(_ descriptor: Int32, _ reply: LocalReply) {
        reply.markGone()
        thread.unregister(descriptor: descriptor)
    }

    private func start(_ connection: LocalConnection) {
        do throws(EventThreadError) {
            try BlockingThread.start(name: "local-client") { [self] in
                connection.serve()
                finish(connection.descriptor)
            }
        } catch {
            log.warning("a local client was refused", [("reason", error)])
            connection.reply.fail("\(error)", exitCode: ExitCodes.unreachable)
            thread.unregister(descriptor: connection.descriptor)
            forget(connection.descriptor)
        }
    }

    /// On the connection's thread: the descriptor is closed by the thread that watches it, while there is one.
    private func finish(_ descriptor: Int32) {
        let isPosted = thread.post { [self] in
            thread.unregister(descriptor: descriptor)
            forget(descriptor)
        }
        guard !isPosted else { return }
        state.withLock { state in
            if state.isWatched { state.finished.append(descriptor) } else { Self.close(descriptor, in: &state) }
        }
    }

    private func forget(_ descriptor: Int32) {
        state.withLock { Self.close(descriptor, in: &$0) }
    }

    /// Within the lock: `stop` must not shut down another owner's descriptor of the same number.
    private static func close(_ descriptor: Int32, in state: inout State) {
        state.replies[descriptor] = nil
        Glibc.close(descriptor)
    }
}
