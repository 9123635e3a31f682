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
    private let closeness: Closeness
    private let state: Guarded<State>
    private let log = Log(component: "lanes")

    /// - Parameter participants: threads, each of which calls `leave` when it ends.
    init(_ opening: LaneOpening, _ target: LaneTarget, participants: Int) {
        tag = opening.tag
        closeness = opening.closeness
        self.target = target
        metrics = LaneMetrics(opening.tag.kind, .received)
        state = Guarded(State(participants: participants))
    }

    // MARK: Life

    /// False when the lane began to close before it was open.
    ///
    /// - Parameter paths: what the lane runs over, where it had a choice.
    func open(over paths: [String] = []) -> Bool {
        let opened = state.withLock { state in
            guard case .opening = state.phase else { return false }
            state.phase = .open
            return true
        }
        guard opened else { return false }
        log.debug("opened a lane", fields + (paths.isEmpty ? [] : [("paths", paths.joined(separator: "; "))]))
        if !paths.isEmpty { target.onEvent(.paths(tag, paths)) }
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

    /// Where a read's bytes may go. Waits for a buffer when they can't go in place.
    ///
    /// - Throws: `sinkFailed`, or why the lane closes meanwhile.
    func room(for read: LaneRead) throws(LaneError) -> ChunkRoom {
        if read.place == .destination {
            do {
                let parts = try target.sink.memory(ofChunk: read.chunk)
                if let parts, parts.count <= LaneLimits.partsInPlace {
                    return ChunkRoom(parts: parts, pool: target.buffers)
                }
            } catch {
                throw .sinkFailed("\(error)")
            }
        }
        guard let buffer = target.buffers.acquire(isCancelled: { isClosing }) else {
            throw closingError ?? .noResources("the pull's buffers are closed")
        }
        return ChunkRoom(buffer: buffer, length: target.layout.length(ofChunk: read.chunk), pool: target.buffers)
    }

    /// Bytes of reads under way have come, and their end is not near.
    func arrived(_ bytes: Int) { target.onEvent(.arrived(tag, bytes: bytes)) }

    /// Hands a chunk that has arrived to the verification, which owns room and outcome from here on.
    ///
    /// - Parameter crc32c: of the bytes, from whoever had them in hand; nil when a device brought them, and the
    ///   verification must look at them itself.
    func verify(_ read: LaneRead, in room: ChunkRoom, crc32c: UInt32?) {
        metrics.count(UInt64(target.layout.length(ofChunk: read.chunk)), closeness)
        enter()
        if let crc32c, room.isInPlace, target.integrity == .crc {
            // One comparison is left to do.
            return finish(read, room, check(read.chunk, room, crc32c: crc32c))
        }
        let accepted = target.verification.submit { [self] in
            let crc = crc32c ?? room.readable.reduce(0) { target.digester.crc32c($1, $0) }
            finish(read, room, check(read.chunk, room, crc32c: crc) ?? write(read, room))
        }
        if !accepted { finish(read, room, .noResources("the verification takes nothing more")) }
    }

    private func finish(_ read: LaneRead, _ room: ChunkRoom, _ failure: LaneError?) {
        let length = target.layout.length(ofChunk: read.chunk)
        if let failure {
            fail(read.chunk, failure)
        } else if read.place == .bounce {
            target.onEvent(
                .bounced(tag, chunk: read.chunk, bytes: length, BouncedChunk(chunk: read.chunk, room: room)))
        } else {
            target.onEvent(.verified(tag, chunk: read.chunk, bytes: length))
        }
        leave()
    }

    /// Nil when the bytes are those of the manifest.
    private func check(_ chunk: Int, _ room: ChunkRoom, crc32c: UInt32) -> LaneError? {
        if let closingError { return closingError }
        let expected = target.digests[chunk]
        guard crc32c == expected.crc32c else {
            return .crcMismatch(expected: expected.crc32c, actual: crc32c)
        }
        guard target.integrity == .full else { return nil }
        return target.digester.strongOfParts(room.readable) == expected.strong ? nil : .digestMismatch
    }

    /// Nil when the bytes are where this read was to bring them.
    private func write(_ read: LaneRead, _ room: ChunkRoom) -> LaneError? {
        guard !room.isInPlace, read.place == .destination else { return nil }
        do {
            try target.sink.write(chunk: read.chunk, bytes: room.readable[0])
            return nil
        } catch {
            return .sinkFailed("\(error)")
        }
    }
}
