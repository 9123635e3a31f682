import EventThread
import Glibc
import Records
import Telemetry

/// Reads chunks out of a source's memory by RDMA READ, over one rail for each pair of ports.
///
/// Two threads beside the one that moves bytes (see RDMAPump): one opens the lane over a connection and then waits for its
/// end, which is the lease's; one finds the room of each read and registers it, both of which may block.
final class RDMALaneReader: LaneReader {
    private let opening: LaneOpening
    private let link: any RDMALink
    private let session: LaneSession
    private let threads: WorkerPool
    private let pump: RDMAPump
    private let gate = LaneGate<ArenaLayout>()

    var tag: LaneTag { opening.tag }

    static func open(
        _ opening: LaneOpening, into target: LaneTarget, over link: any RDMALink
    ) throws(LaneError) -> RDMALaneReader {
        let threads = try Lanes.threads(named: "lane-rdma", count: 2, capacity: LaneLimits.waitingReads)
        // The opening thread and the pump.
        let session = LaneSession(opening, target, participants: 2)
        let pump = try link.pump(for: session)
        let lane = RDMALaneReader(opening, link, session, threads, pump)
        threads.submit { lane.run() }
        return lane
    }

    private init(
        _ opening: LaneOpening, _ link: any RDMALink, _ session: LaneSession, _ threads: WorkerPool, _ pump: RDMAPump
    ) {
        self.opening = opening
        self.link = link
        self.session = session
        self.threads = threads
        self.pump = pump
    }

    // MARK: Any thread

    func read(_ read: LaneRead) {
        if let arena = gate.admit(read, to: session) { start(read, arena) }
    }

    func close() { end(because: nil) }

    private func end(because failure: LaneError?) {
        guard session.beginClosing(because: failure) else { return }
        let reason = gate.close(session)
        pump.stop(because: reason)
        session.leave()
    }

    /// Hands a read, for which `session.enter` was called, to the preparing thread. Whoever has it last leaves for it.
    private func start(_ read: LaneRead, _ arena: ArenaLayout) {
        let accepted = threads.submit { [self] in
            do throws(LaneError) {
                let room = try session.room(for: read)
                pump.start(try RDMARead(read, room, arena, pump.rails, session, link.destinations))
            } catch {
                session.fail(read.chunk, error)
                session.leave()
            }
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
            session.metrics.openConnections.add(1)
            defer { session.metrics.openConnections.add(-1) }
            let (rails, arena) = try link.exchange(over: socket, opening, session.target.layout)
            pump.run(
                rails, opened: { [weak self] in self?.opened(arena, over: $0) },
                failed: { [weak self] in self?.end(because: $0) }
            )
            try awaitEnd(of: socket)
        } catch {
            end(because: error)
        }
        session.leave()
    }

    private func connect() throws(LaneError) -> Socket {
        try SocketEndpoints.connectTCP(host: opening.offer.address, port: opening.offer.port) { gate.hold($0) }
    }

    private func awaitEnd(of socket: Socket) throws(LaneError) {
        do throws(SocketFailure) {
            _ = try socket.receive(1, until: nil)
        } catch {
            throw .connectionLost(error.description)
        }
        throw .protocolViolation("bytes after the lane was set up")
    }

    // MARK: The pump's thread

    private func opened(_ arena: ArenaLayout, over paths: [String]) {
        guard session.open(over: paths) else { return }
        for read in gate.open(arena, session) { start(read, arena) }
    }
}
