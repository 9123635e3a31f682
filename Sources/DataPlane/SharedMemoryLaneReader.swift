import Digest
import EventThread
import Glibc
import Records
import Telemetry

/// Reads chunks of a source on the same host from the read-only descriptors that it passed.
///
/// One thread opens the lane and then waits for the lease's end, which the source shows by closing the socket; others read. A
/// chunk that the source doesn't have yet looks like a wrong one here, so ask only for chunks of its have-map.
final class SharedMemoryLaneReader: LaneReader {
    /// Threads that read. Two copy nearly twice as fast as one, more meet the memory's own limit.
    private static let readers = 2

    private struct State {
        /// Reads asked for before the lane was open.
        var waiting: [Int] = []
        var socket: Socket?
        var passed: PassedDescriptors?
        var isClosing = false
    }

    private let opening: LaneOpening
    private let session: LaneSession
    private let threads: WorkerPool
    private let state = Guarded(State())

    var tag: LaneTag { opening.tag }

    static func open(_ opening: LaneOpening, into target: LaneTarget) throws(LaneError) -> SharedMemoryLaneReader {
        let readers = min(readers, opening.windowInUse)
        let threads = try Lanes.threads(named: "lane-shm", count: readers + 1, capacity: LaneLimits.waitingReads)
        let lane = SharedMemoryLaneReader(opening, target, threads: threads)
        threads.submit { lane.run() }
        return lane
    }

    private init(_ opening: LaneOpening, _ target: LaneTarget, threads: WorkerPool) {
        self.opening = opening
        self.threads = threads
        session = LaneSession(tag: opening.tag, target: target, participants: 1)
    }

    // MARK: Any thread

    func read(chunk: Int) {
        guard (0..<session.target.layout.chunkCount).contains(chunk) else {
            return session.fail(chunk, .notAvailable)
        }
        enum Way {
            case start(PassedDescriptors)
            case wait
            case refuse(LaneError)
        }
        let way: Way = state.withLock { state in
            if state.isClosing { return .refuse(.connectionLost("the lane has ended")) }
            if let passed = state.passed {
                // Under this lock, so that `closed` can't overtake the read.
                session.enter()
                return .start(passed)
            }
            guard state.waiting.count < LaneLimits.waitingReads else {
                return .refuse(.tooManyReads(limit: LaneLimits.waitingReads))
            }
            state.waiting.append(chunk)
            return .wait
        }
        switch way {
        case .start(let passed): start(chunk, passed)
        case .wait: return
        case .refuse(let failure): session.fail(chunk, failure)
        }
    }

    func close() { end(because: nil) }

    private func end(because failure: LaneError?) {
        guard session.beginClosing(because: failure) else { return }
        let (socket, chunks): (Socket?, [Int]) = state.withLock { state in
            state.isClosing = true
            // Reads under way hold them until their next block.
            state.passed = nil
            let chunks = state.waiting
            state.waiting = []
            return (state.socket, chunks)
        }
        socket?.abort()
        let reason = session.closingError ?? .connectionLost("the lane has ended")
        for chunk in chunks { session.fail(chunk, reason) }
        session.leave()
    }

    /// Hands a read, for which `session.enter` was called, to the reading threads.
    private func start(_ chunk: Int, _ passed: PassedDescriptors) {
        let accepted = threads.submit { [self] in
            readNow(chunk, passed)
            session.leave()
        }
        guard !accepted else { return }
        session.fail(chunk, .tooManyReads(limit: LaneLimits.waitingReads))
        session.leave()
    }

    // MARK: The opening thread

    private func run() {
        do throws(LaneError) {
            let socket = try connect()
            try opening.shakeHands(over: socket)
            let passed = try PassedDescriptors.receive(for: session.target.layout, over: socket)
            session.metrics.openConnections.add(1)
            defer { session.metrics.openConnections.add(-1) }
            try opened(passed)
            try awaitEnd(of: socket)
        } catch {
            end(because: error)
        }
        session.leave()
    }

    private func connect() throws(LaneError) -> Socket {
        guard let path = opening.hostSocketDirectory else {
            throw .unreachable("this peer has no folder for lane sockets; set MX_HOST_SOCKET_DIR")
        }
        let name = opening.offer.address
        guard HostSocketDirectory.isSocketName(name) else { throw .protocolViolation("\(name) names no lane socket") }
        let socket: Socket
        do {
            socket = try SocketEndpoints.connectUnix(path: HostSocketDirectory(path: path).socketPath(name))
        } catch {
            throw .unreachable("\(path)/\(name): \(error)")
        }
        let isWanted = state.withLock { state in
            state.socket = socket
            return !state.isClosing
        }
        guard isWanted else { throw .connectionLost("the lane was closed while it opened") }
        return socket
    }

    private func opened(_ passed: PassedDescriptors) throws(LaneError) {
        guard session.open() else { throw .connectionLost("the lane was closed while it opened") }
        let chunks: [Int] = state.withLock { state in
            guard !state.isClosing else { return [] }
            state.passed = passed
            let chunks = state.waiting
            state.waiting = []
            for _ in chunks { session.enter() }
            return chunks
        }
        for chunk in chunks { start(chunk, passed) }
    }

    private func awaitEnd(of socket: Socket) throws(LaneError) {
        do throws(SocketFailure) {
            _ = try socket.receive(1, until: nil)
        } catch {
            throw .connectionLost(error.description)
        }
        throw .protocolViolation("bytes after the last descriptor")
    }

    // MARK: Reading threads

    private func readNow(_ chunk: Int, _ passed: PassedDescriptors) {
        guard let buffer = session.acquireBuffer() else {
            return session.fail(chunk, session.closingError ?? .noResources("the pull's buffers are closed"))
        }
        do throws(LaneError) {
            let crc = try fill(buffer, chunk, passed)
            session.verify(chunk, in: buffer, crc32c: crc)
        } catch {
            session.target.buffers.release(buffer)
            session.fail(chunk, error)
        }
    }

    /// Reads the chunk's pieces in blocks, each digested while it is hot.
    private func fill(_ buffer: ChunkBuffer, _ chunk: Int, _ passed: PassedDescriptors) throws(LaneError) -> UInt32 {
        var crc: UInt32 = 0
        for piece in session.target.layout.pieces(ofChunk: chunk) {
            var done = 0
            while done < piece.length {
                if let closing = session.closingError { throw closing }
                let start = piece.chunkOffset + done
                let length = min(piece.length - done, LaneLimits.hotBlock)
                let block = UnsafeMutableRawBufferPointer(rebasing: buffer.bytes[start..<start + length])
                let count = try read(block, piece, at: piece.offset + UInt64(done), passed)
                crc = session.target.digester.crc32c(UnsafeRawBufferPointer(rebasing: block[..<count]), crc)
                done += count
            }
        }
        return crc
    }

    private func read(
        _ block: UnsafeMutableRawBufferPointer, _ piece: Piece, at offset: UInt64, _ passed: PassedDescriptors
    ) throws(LaneError) -> Int {
        while true {
            let count = pread(passed[piece.storage], block.baseAddress, block.count, off_t(offset))
            if count > 0 { return count }
            if count < 0, errno == EINTR { continue }
            let why = count == 0 ? "it is shorter than its manifest says" : String(cString: strerror(errno))
            throw .sourceFailed("\(session.target.layout.storages[piece.storage].name): \(why)")
        }
    }
}
