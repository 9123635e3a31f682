import Digest
import EventThread
import Records
import Telemetry
import Transfer

/// What the readers of all kinds of lane have in common: the lane's life, and the way of a chunk from its arrival to its outcome.
///
/// `closed` comes when the last participant has left: a thread of the lane, or a chunk being read or verified. Only
/// participants bring in others, so nothing begins after that.
final class LaneSession: Sendable {
    private enum Phase {
        case opening
        case open
        case closing(LaneError)
    }

    private struct State {
        var phase = Phase.opening
        var participants: Int
    }

    let tag: LaneTag
    let target: LaneTarget
    let metrics: LaneMetrics
    private let state: Guarded<State>
    private let log = Log(component: "lanes")

    /// - Parameter participants: threads, each of which calls `leave` when it ends.
    init(tag: LaneTag, target: LaneTarget, participants: Int) {
        self.tag = tag
        self.target = target
        metrics = LaneMetrics(tag.kind, .received)
        state = Guarded(State(participants: participants))
    }

    // MARK: Life

    /// False when the lane began to close before it was open.
    func open() -> Bool {
        let opened = state.withLock { state in
            guard case .opening = state.phase else { return false }
            state.phase = .open
            return true
        }
        guard opened else { return false }
        log.debug("opened a lane", fields)
        target.onEvent(.opened(tag))
        return true
    }

    /// Begins to close; nil for the owner's wish. True for the first who says so: that one ends what others wait for, fails the
    /// reads that wait, and then calls `leave`, so that `closed` can't overtake it. Threads call this before they leave, so the
    /// lane is not closed yet.
    func beginClosing(because failure: LaneError?) -> Bool {
        let before: Phase? = state.withLock { state in
            if case .closing = state.phase { return nil }
            let before = state.phase
            state.participants += 1
            state.phase = .closing(failure ?? .connectionLost("the lane was closed here"))
            return before
        }
        guard let before else { return false }
        if let failure {
            log.debug("a lane failed", fields + [("reason", failure.description)])
            metrics.countFailure(failure.reason)
            if case .opening = before { target.onEvent(.openFailed(tag, failure)) }
        }
        target.buffers.wake()
        return true
    }

    /// Why reads on this lane fail from now on; nil while it lives.
    var closingError: LaneError? {
        state.withLock { state in
            guard case .closing(let failure) = state.phase else { return nil }
            // A read that was accepted was lost with the connection, whatever ended that.
            if case .connectionLost = failure { return failure }
            return .connectionLost(failure.description)
        }
    }

    var isClosing: Bool { closingError != nil }

    /// Announces one more participant: a read or a verification. Only to be called while another one is there, a thread of the
    /// lane for instance.
    func enter() { state.withLock { $0.participants += 1 } }

    /// The end of a thread, a read or a verification.
    func leave() {
        let isLast = state.withLock { state in
            state.participants -= 1
            return state.participants == 0
        }
        guard isLast else { return }
        log.debug("closed a lane", fields)
        target.onEvent(.closed(tag))
    }

    private var fields: [Log.Field] { [("lane", tag.kind.word), ("lease", tag.lease.short)] }

    // MARK: Chunks

    /// The outcome of a read that brought nothing to the sink. To be called once for each read that ends so.
    func fail(_ chunk: Int, _ failure: LaneError) {
        metrics.countFailure(failure.reason)
        target.onEvent(.failed(tag, chunk: chunk, failure))
    }

    /// Waits for a buffer; nil when the lane closes meanwhile.
    func acquireBuffer() -> ChunkBuffer? { target.buffers.acquire { isClosing } }

    /// Hands a chunk that has arrived to the verification, which owns buffer and outcome from here on.
    func verify(_ chunk: Int, in buffer: ChunkBuffer, crc32c: UInt32) {
        metrics.bytes.add(UInt64(target.layout.length(ofChunk: chunk)))
        metrics.reads.increment()
        enter()
        let accepted = target.verification.submit { [self] in
            let failure = checkAndWrite(chunk, buffer, crc32c: crc32c)
            target.buffers.release(buffer)
            finish(chunk, failure)
        }
        guard !accepted else { return }
        target.buffers.release(buffer)
        finish(chunk, .noResources("the verification takes nothing more"))
    }

    private func finish(_ chunk: Int, _ failure: LaneError?) {
        if let failure {
            fail(chunk, failure)
        } else {
            target.onEvent(.verified(tag, chunk: chunk, bytes: target.layout.length(ofChunk: chunk)))
        }
        leave()
    }

    /// Nil when the chunk is in the sink.
    private func checkAndWrite(_ chunk: Int, _ buffer: ChunkBuffer, crc32c: UInt32) -> LaneError? {
        if let closingError { return closingError }
        let bytes = UnsafeRawBufferPointer(rebasing: buffer.bytes[..<target.layout.length(ofChunk: chunk)])
        let expected = target.digests[chunk]
        guard crc32c == expected.crc32c else {
            return .crcMismatch(expected: expected.crc32c, actual: crc32c)
        }
        if target.integrity == .full, target.digester.strong(bytes) != expected.strong { return .digestMismatch }
        do {
            try target.sink.write(chunk: chunk, bytes: bytes)
            return nil
        } catch {
            return .sinkFailed("\(error)")
        }
    }
}
