import Digest
import EventThread
import Glibc
import Records
import Telemetry

/// Reads chunks over several TCP connections of one lease.
///
/// Each connection has a thread that only receives. Requests are a few bytes; whoever asks sends them, without waiting.
final class TCPLaneReader: LaneReader {
    private struct State {
        var queues: TCPReadQueues
        var sockets: [Socket?]
        /// Requests that a socket didn't take yet, by connection.
        var unsent: [[UInt8]]
        var connected = 0
        var isOpen = false
        var isClosing = false
    }

    private let opening: LaneOpening
    private let session: LaneSession
    private let threads: WorkerPool
    private let state: Guarded<State>

    var tag: LaneTag { opening.tag }

    static func open(_ opening: LaneOpening, into target: LaneTarget) throws(LaneError) -> TCPLaneReader {
        let connections = min(max(1, opening.connections), LaneLimits.connectionsMaximum)
        let threads = try Lanes.threads(named: "lane-tcp", count: connections, capacity: connections)
        let lane = TCPLaneReader(opening, target, connections: connections, threads: threads)
        for connection in 0..<connections { threads.submit { lane.run(connection) } }
        return lane
    }

    private init(_ opening: LaneOpening, _ target: LaneTarget, connections: Int, threads: WorkerPool) {
        self.opening = opening
        self.threads = threads
        session = LaneSession(opening, target, participants: connections)
        state = Guarded(
            State(
                queues: TCPReadQueues(window: opening.windowInUse, connections: connections),
                sockets: [Socket?](repeating: nil, count: connections),
                unsent: [[UInt8]](repeating: [], count: connections)))
    }

    // MARK: Any thread

    func read(_ read: LaneRead) {
        guard (0..<session.target.layout.chunkCount).contains(read.chunk) else {
            return session.fail(read.chunk, .notAvailable)
        }
        let refusal: LaneError? = state.withLock { state in
            if state.isClosing { return .connectionLost("the lane has ended") }
            return state.queues.append(read) ? nil : .tooManyReads(limit: LaneLimits.waitingReads)
        }
        if let refusal { return session.fail(read.chunk, refusal) }
        startReads()
    }

    func close() { end(because: nil) }

    private func end(because failure: LaneError?) {
        guard session.beginClosing(because: failure) else { return }
        let (sockets, reads): ([Socket], [LaneRead]) = state.withLock { state in
            state.isClosing = true
            return (state.sockets.compactMap { $0 }, state.queues.takeAll())
        }
        for socket in sockets { socket.abort() }
        let reason = session.closingError ?? .connectionLost("the lane has ended")
        for read in reads { session.fail(read.chunk, reason) }
        session.leave()
    }

    /// Sends requests as far as the window allows.
    private func startReads() {
        let failure: SocketFailure? = state.withLock { state in
            guard state.isOpen, !state.isClosing else { return nil }
            while let (connection, read) = state.queues.start() {
                let frame = LaneRequest(id: read.id, chunk: UInt64(read.read.chunk)).encoded
                state.unsent[connection].append(contentsOf: frame)
                do throws(SocketFailure) {
                    try Self.flush(connection, &state)
                } catch {
                    return error
                }
            }
            return nil
        }
        if let failure { end(because: .connectionLost(failure.description)) }
    }

    /// What a socket doesn't take now its receiving thread sends later: a full socket holds requests that are not answered
    /// yet, so that thread will wake.
    private static func flush(_ connection: Int, _ state: inout State) throws(SocketFailure) {
        guard let socket = state.sockets[connection] else { return }
        let sent = try state.unsent[connection].withBytes { (bytes) throws(SocketFailure) in
            bytes.isEmpty ? 0 : try socket.sendSome(bytes)
        }
        state.unsent[connection].removeFirst(sent)
    }

    // MARK: A connection's thread

    private func run(_ connection: Int) {
        do throws(LaneError) {
            let socket = try connect(connection)
            session.metrics.openConnections.add(1)
            defer { session.metrics.openConnections.add(-1) }
            try opened()
            while true { try receiveResponse(connection, socket) }
        } catch {
            end(because: error)
        }
        // The other thread ends by itself; the lane needs no new ones.
        state.withLock { $0.sockets[connection] = nil }
        session.leave()
    }

    private func connect(_ connection: Int) throws(LaneError) -> Socket {
        let socket = try SocketEndpoints.connectTCP(host: opening.offer.address, port: opening.offer.port) { socket in
            state.withLock { state in
                state.sockets[connection] = socket
                return !state.isClosing
            }
        }
        try opening.shakeHands(over: socket)
        return socket
    }

    /// The last connection to come up opens the lane.
    private func opened() throws(LaneError) {
        let isLast = state.withLock { state in
            state.connected += 1
            return state.connected == state.sockets.count
        }
        guard isLast else { return }
        guard session.open() else { throw .connectionLost("the lane was closed while it opened") }
        state.withLock { $0.isOpen = true }
        startReads()
    }

    private func receiveResponse(_ connection: Int, _ socket: Socket) throws(LaneError) {
        let response = try receiveHead(connection, socket)
        guard let head = state.withLock({ $0.queues.head(of: connection) }) else {
            throw session.closingError ?? .protocolViolation("a response that nobody asked for")
        }
        guard head.id == response.id else { throw .protocolViolation("a response out of order") }
        let read = head.read
        switch response.status {
        case .bytes: try receiveChunk(read, response, connection, socket)
        case .notAvailable, .outOfRange:
            if finishHead(of: connection) { session.fail(read.chunk, .notAvailable) }
            startReads()
        case .sourceFailed:
            let failure = LaneError.sourceFailed("it has a storage that is shorter than its manifest says")
            if finishHead(of: connection) { session.fail(read.chunk, failure) }
            throw .connectionLost("the source failed")
        }
    }

    private func receiveHead(_ connection: Int, _ socket: Socket) throws(LaneError) -> LaneResponse {
        var bytes = [UInt8](repeating: 0, count: LaneResponse.size)
        do throws(SocketFailure) {
            try bytes.withMutableBytes { (buffer) throws(SocketFailure) in
                try receive(into: buffer, connection, socket) { _ in }
            }
        } catch {
            throw session.closingError ?? .connectionLost(error.description)
        }
        do throws(WireError) {
            return try LaneResponse(decoding: bytes)
        } catch {
            throw .protocolViolation(error.description)
        }
    }

    /// The read stays in flight until its last byte is here, so that whoever ends the lane meanwhile owes its outcome.
    private func receiveChunk(
        _ read: LaneRead, _ response: LaneResponse, _ connection: Int, _ socket: Socket
    ) throws(LaneError) {
        let length = session.target.layout.length(ofChunk: read.chunk)
        guard response.length == UInt64(length) else { throw .protocolViolation("a chunk of another length") }
        let room: ChunkRoom
        do throws(LaneError) {
            room = try session.room(for: read)
        } catch .sinkFailed(let why) {
            if finishHead(of: connection) { session.fail(read.chunk, .sinkFailed(why)) }
            throw .connectionLost("the bytes could not be taken: \(why)")
        }
        var crc: UInt32 = 0
        var untold = 0
        var told = MonotonicClock.now()
        let digester = session.target.digester
        do throws(SocketFailure) {
            for part in room.parts {
                try receive(into: part, connection, socket) { bytes in
                    crc = digester.crc32c(bytes, crc)
                    untold += bytes.count
                    let now = MonotonicClock.now()
                    guard now - told >= LaneLimits.arrivalPeriod else { return }
                    session.arrived(untold)
                    (told, untold) = (now, 0)
                }
            }
        } catch {
            throw session.closingError ?? .connectionLost(error.description)
        }
        guard finishHead(of: connection) else { throw .connectionLost("the lane was closed") }
        session.verify(read, in: room, crc32c: crc)
        startReads()
    }

    /// Takes the head out of flight; false when somebody who ended the lane took it, and its outcome, first.
    private func finishHead(of connection: Int) -> Bool {
        state.withLock { state in
            guard !state.isClosing else { return false }
            state.queues.finishHead(of: connection)
            return true
        }
    }

    /// Fills `buffer`, showing each part to `arrived` while it is hot. Waits without end: deadlines are the lane's owner's.
    private func receive(
        into buffer: UnsafeMutableRawBufferPointer, _ connection: Int, _ socket: Socket,
        arrived: (UnsafeRawBufferPointer) -> Void
    ) throws(SocketFailure) {
        var filled = 0
        while filled < buffer.count {
            let end = min(buffer.count, filled + LaneLimits.hotBlock)
            let block = UnsafeMutableRawBufferPointer(rebasing: buffer[filled..<end])
            if let count = try socket.receiveSome(into: block) {
                arrived(UnsafeRawBufferPointer(rebasing: block[..<count]))
                filled += count
            } else {
                // Once for a block and not for each segment: waking costs more than the copy.
                socket.setOption(SOL_SOCKET, SO_RCVLOWAT, Int32(end - filled))
                try socket.wait(for: POLLIN | (try flushedAll(connection) ? 0 : POLLOUT), until: nil)
            }
        }
    }

    private func flushedAll(_ connection: Int) throws(SocketFailure) -> Bool {
        try state.withLock { (state: inout sending State) throws(SocketFailure) in
            if state.isClosing { throw .ended }
            try Self.flush(connection, &state)
            return state.unsent[connection].isEmpty
        }
    }
}
