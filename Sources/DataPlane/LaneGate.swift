import Records
import Telemetry

/// What stands before a lane that opens on a thread of its own: it keeps reads until the lane is open, and refuses them once it
/// closes. Any thread.
final class LaneGate<Content: Sendable>: Sendable {
    private struct State {
        /// Reads asked for before the lane was open.
        var waiting: [LaneRead] = []
        var socket: Socket?
        var content: Content?
        var isClosing = false
    }

    private enum Way {
        case start(Content)
        case wait
        case refuse(LaneError)
    }

    private let state = Guarded(State())

    /// What to read from, for a read that may start now and for which `session.enter` was called; nil for one that waits, or
    /// that has failed.
    func admit(_ read: LaneRead, to session: LaneSession) -> Content? {
        guard (0..<session.target.layout.chunkCount).contains(read.chunk) else {
            session.fail(read.chunk, .notAvailable)
            return nil
        }
        let way: Way = state.withLock { state in
            if state.isClosing { return .refuse(.connectionLost("the lane has ended")) }
            if let content = state.content {
                // Under this lock, so that `closed` can't overtake the read.
                session.enter()
                return .start(content)
            }
            guard state.waiting.count < LaneLimits.waitingReads else {
                return .refuse(.tooManyReads(limit: LaneLimits.waitingReads))
            }
            state.waiting.append(read)
            return .wait
        }
        switch way {
        case .start(let content): return content
        case .wait: return nil
        case .refuse(let failure):
            session.fail(read.chunk, failure)
            return nil
        }
    }

    /// Keeps the lane's connection, to be cut when it closes. False when it closes already.
    func hold(_ socket: Socket) -> Bool {
        state.withLock { state in
            state.socket = socket
            return !state.isClosing
        }
    }

    /// Opens; returns the reads that waited, `session.enter` called for each.
    func open(_ content: Content, _ session: LaneSession) -> [LaneRead] {
        state.withLock { state in
            guard !state.isClosing else { return [] }
            state.content = content
            let reads = state.waiting
            state.waiting = []
            for _ in reads { session.enter() }
            return reads
        }
    }

    /// Closes: cuts the connection and fails the reads that waited. Returns why. Reads under way keep the content.
    func close(_ session: LaneSession) -> LaneError {
        let (socket, reads): (Socket?, [LaneRead]) = state.withLock { state in
            state.isClosing = true
            state.content = nil
            let reads = state.waiting
            state.waiting = []
            return (state.socket, reads)
        }
        socket?.abort()
        let reason = session.closingError ?? .connectionLost("the lane has ended")
        for read in reads { session.fail(read.chunk, reason) }
        return reason
    }
}
