import Digest
import EventThread
import Glibc
import Records
import Telemetry

/// Reads chunks of a source on the same host from its memory, or from the read-only files that it passed.
///
/// One thread opens the lane and then waits for the lease's end, which the source shows by closing the socket; others read. A
/// chunk that the source doesn't have yet looks like a wrong one here, so ask only for chunks of its have-map.
final class SharedMemoryLaneReader: LaneReader {
    /// Threads that read. Two copy nearly twice as fast as one, more meet the memory's own limit.
    private static let readers = 2

    private let opening: LaneOpening
    private let session: LaneSession
    private let threads: WorkerPool
    private let gate = LaneGate<PassedContent>()

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
        session = LaneSession(opening, target, participants: 1)
    }

    // MARK: Any thread

    func read(_ read: LaneRead) {
        if let passed = gate.admit(read, to: session) { start(read, passed) }
    }

    func close() { end(because: nil) }

    private func end(because failure: LaneError?) {
        guard session.beginClosing(because: failure) else { return }
        _ = gate.close(session)
        session.leave()
    }

    /// Hands a read, for which `session.enter` was called, to the reading threads.
    private func start(_ read: LaneRead, _ passed: PassedContent) {
        let accepted = threads.submit { [self] in
            readNow(read, passed)
            session.leave()
        }
        guard !accepted else { return }
        session.fail(read.chunk, .tooManyReads(limit: LaneLimits.waitingReads))
        session.leave()
    }

    // MARK: The opening thread

    private func run() {
        do throws(LaneError) {
            let socket = try connect()
            try opening.shakeHands(over: socket)
            let passed = try PassedContent.receive(for: session.target.layout, over: socket)
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
        guard gate.hold(socket) else { throw .connectionLost("the lane was closed while it opened") }
        return socket
    }

    private func opened(_ passed: PassedContent) throws(LaneError) {
        guard session.open() else { throw .connectionLost("the lane was closed while it opened") }
        for read in gate.open(passed, session) { start(read, passed) }
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

    private func readNow(_ read: LaneRead, _ passed: PassedContent) {
        do throws(LaneError) {
            let room = try session.room(for: read)
            let crc =
                switch passed {
                case .files(let descriptors): try fill(room, read.chunk, descriptors)
                case .arena(let arena): try fill(room, read.chunk, arena)
                }
            session.verify(read, in: room, crc32c: crc)
        } catch {
            session.fail(read.chunk, error)
        }
    }

    /// Copies the chunk out of the source's memory and digests it in one go.
    private func fill(_ room: ChunkRoom, _ chunk: Int, _ arena: MappedArena) throws(LaneError) -> UInt32 {
        var crc: UInt32 = 0
        var cursor = ChunkRoom.Cursor(room)
        for extent in arena.place.extents(ofChunk: chunk, in: session.target.layout) {
            let memory = arena.memory(of: extent)
            var done = 0
            while done < memory.count {
                if let closing = session.closingError { throw closing }
                let block = cursor.next(limit: min(memory.count - done, LaneLimits.copiedBlock))
                crc = DataPlaneKernels.copy(
                    UnsafeRawBufferPointer(rebasing: memory[done..<done + block.count]), to: block, crc32c: crc)
                done += block.count
            }
        }
        return crc
    }

    /// Reads the chunk's pieces in blocks, each digested while it is hot.
    private func fill(_ room: ChunkRoom, _ chunk: Int, _ passed: PassedDescriptors) throws(LaneError) -> UInt32 {
        var crc: UInt32 = 0
        var cursor = ChunkRoom.Cursor(room)
        for piece in session.target.layout.pieces(ofChunk: chunk) {
            var done = 0
            while done < piece.length {
                if let closing = session.closingError { throw closing }
                let block = cursor.next(limit: min(piece.length - done, LaneLimits.hotBlock))
                var filled = 0
                while filled < block.count {
                    let rest = UnsafeMutableRawBufferPointer(rebasing: block[filled...])
                    let count = try read(rest, piece, at: piece.offset + UInt64(done + filled), passed)
                    crc = session.target.digester.crc32c(UnsafeRawBufferPointer(rebasing: rest[..<count]), crc)
                    filled += count
                }
                done += block.count
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
