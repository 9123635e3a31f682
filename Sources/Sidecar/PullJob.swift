import Checkpoint
import DataPlane
import Digest
import EventThread
import LocalAPI
import PeerLogic
import Records
import Telemetry
import Transfer

/// One pull: its destination, its lanes, and what its user is told.
///
/// Made on any thread; lanes and notices are touched on the peer's thread only, the destination on the file pool's.
final class PullJob: Sendable {
    private struct State {
        var destination: (any PullDestination)?
        /// Verified chunks that wait until no other lane writes to their place.
        var bounced: [BouncedRead: BouncedChunk] = [:]
        var target: LaneTarget?
        var lanes: [LeaseID: any LaneReader] = [:]
        var generation: UInt64 = 0
        var manifest: ManifestID?
        /// What the lanes hand out of this destination, shared with the registry when this pull's content is the one served.
        var availability: ChunkAvailability?
        var names: [PeerID: String] = [:]
        /// Whose each lane is, and what the latest one of each source ran over, where it chose.
        var peers: [LeaseID: PeerID] = [:]
        var paths: [PeerID: [String]] = [:]
        var foundAt: UInt64 = 0
        var readyAt: UInt64 = 0
        var lastVerifiedAt: UInt64 = 0
        /// Why the destination could not be made or sealed.
        var destinationError: CheckpointError?
        var isOver = false
        /// Whether the file pool is about to write down which chunks are verified.
        var savesMarks = false
        /// Progress that its user has not been told of yet; the newest replaces the one before.
        var untold: JobEvent?
    }

    private struct BouncedRead: Hashable {
        let lease: LeaseID
        let chunk: Int
    }

    let id: PullID
    let place: PullPlace
    private let model: String
    private let integrity: LaneIntegrity
    /// One thread on which users are told, so that a terminal that stands still never holds the peer's thread.
    private let notices: WorkerPool
    private let emit: @Sendable (JobEvent) -> Void
    private let finished: @Sendable (Result<PullReport, SidecarError>) -> Void
    private let state = Guarded(State())

    init(
        id: PullID, model: String, place: PullPlace, integrity: LaneIntegrity, notices: WorkerPool,
        emit: @escaping @Sendable (JobEvent) -> Void,
        finished: @escaping @Sendable (Result<PullReport, SidecarError>) -> Void
    ) {
        self.id = id
        self.model = model
        self.place = place
        self.integrity = integrity
        self.notices = notices
        self.emit = emit
        self.finished = finished
    }

    // MARK: On the file pool

    /// Makes the destination and digests again what an earlier pull left there. Blocks, until the pull is over or
    /// `isCancelled` says so at the latest.
    func prepare(
        _ manifest: Manifest, _ id: ManifestID, digester: ChunkDigester, threads: Int, verification: WorkerPool,
        isCancelled: @escaping @Sendable () -> Bool, onEvent: @escaping @Sendable (LaneEvent) -> Void
    ) throws(CheckpointError) -> (content: ContentRegistry.Content?, have: ChunkSet) {
        guard !isOver, !isCancelled() else { throw .cancelled }
        let destination = try open(manifest, id)
        try ifNotOver { $0.destination = destination }
        let have = try destination.verifiedChunks(
            using: digester, threads: threads, isCancelled: { [self] in isOver || isCancelled() })
        let target = LaneTarget(
            layout: manifest.layout, digests: manifest.digests, digester: digester, integrity: integrity,
            sink: destination,
            buffers: ChunkBufferPool(bufferSize: Int(manifest.layout.chunkSize)), verification: verification,
            onEvent: onEvent)
        let availability = ChunkAvailability(ChunkSet(chunkCount: manifest.layout.chunkCount))
        try ifNotOver { state in
            state.availability = availability
            state.target = target
            state.readyAt = MonotonicClock.now()
            state.lastVerifiedAt = state.readyAt
        }
        let content = destination.content.map { ContentRegistry.Content(storages: $0, availability: availability) }
        return (content, have)
    }

    private func open(_ manifest: Manifest, _ id: ManifestID) throws(CheckpointError) -> any PullDestination {
        switch place {
        case .folder(let directory): try FolderWriter.open(directory: directory, manifest: manifest, id: id)
        case .memory(let isPopulated): try MemoryDestination(manifest.layout, isPopulated: isPopulated)
        case .engine(let engine): try engine.destination(for: manifest, id)
        case .nowhere: NoDestination(manifest.layout)
        }
    }

    /// Lets others read the destination, unless the pull is over: `end` finds what is offered, and nothing is after it.
    func offer(
        _ content: ContentRegistry.Content?, as id: ManifestID, in registry: ContentRegistry
    ) throws(CheckpointError) {
        guard let content else { return }
        try ifNotOver { state in
            state.manifest = id
            registry.insertIfAbsent(content, for: id)
        }
    }

    private func ifNotOver(_ change: (inout State) -> Void) throws(CheckpointError) {
        let isOver = state.withLock { state in
            if !state.isOver { change(&state) }
            return state.isOver
        }
        if isOver { throw .cancelled }
    }

    /// Keeps the typed error of a destination, which goes through the peer's logic as text only.
    func noteDestinationError(_ error: CheckpointError) { state.withLock { $0.destinationError = error } }

    /// Gives the content its final name. Blocks until the disk has it.
    func seal() throws(CheckpointError) {
        guard let destination = state.withLock({ $0.destination }) else { throw .cancelled }
        try destination.finish()
    }

    /// Ends the destination of a failed pull: what could be resumed is left, what can't be is removed. Blocks.
    func discard(keepsForResume: Bool) {
        let (destination, target) = state.withLock { state in
            state.bounced = [:]
            return (state.destination, state.target)
        }
        target?.buffers.close()
        if keepsForResume { destination?.keepForResume() } else { try? destination?.abandon() }
    }

    // MARK: On the peer's thread

    func openLane(
        _ peer: PeerID, _ grant: LeaseGrant, _ offer: LaneOffer, _ closeness: Closeness, socketDirectory: String?,
        fabric: SidecarFabric
    ) throws(LaneError) {
        let (target, generation) = state.withLock { state in
            state.generation += 1
            state.peers[grant.lease] = peer
            state.paths[peer] = nil
            return (state.target, state.generation)
        }
        guard let target else { throw .noResources("the destination is gone") }
        var opening = LaneOpening(
            tag: LaneTag(lease: grant.lease, kind: offer.kind, generation: generation), offer: offer,
            sessionKey: grant.sessionKey, window: grant.window, hostSocketDirectory: socketDirectory,
            closeness: closeness)
        opening.fabric = fabric.verbs
        opening.ucx = fabric.ucx
        let lane = try Lanes.open(opening, into: target)
        state.withLock { $0.lanes[grant.lease] = lane }
    }

    func lane(_ lease: LeaseID) -> (any LaneReader)? { state.withLock { $0.lanes[lease] } }

    func forgetLane(_ lease: LeaseID) {
        state.withLock { state in
            state.lanes[lease] = nil
            state.peers[lease] = nil
        }
    }

    /// Keeps what a lane runs over for the report.
    func note(_ paths: [String], of lease: LeaseID) {
        state.withLock { state in
            if let peer = state.peers[lease] { state.paths[peer] = paths }
        }
    }

    /// Keeps a verified chunk until it is placed or dropped, also when its lane ends before.
    func keep(_ bounced: BouncedChunk, _ chunk: Int, from lease: LeaseID) {
        state.withLock { state in
            if !state.isOver { state.bounced[BouncedRead(lease: lease, chunk: chunk)] = bounced }
        }
    }

    /// Gives up a bounced chunk, to whoever places it or lets it go.
    func takeBounced(_ chunk: Int, from lease: LeaseID) -> BouncedChunk? {
        state.withLock { $0.bounced.removeValue(forKey: BouncedRead(lease: lease, chunk: chunk)) }
    }

    var sink: (any ChunkSink)? { state.withLock { $0.destination } }

    /// Notes that a chunk lies verified in the destination: for readers at once, for a later resume when the file pool
    /// comes to it. One job of that pool writes down all that is new by then.
    func markVerified(_ chunk: Int, savedBy files: WorkerPool) {
        let (destination, availability, isSaving) = state.withLock { state in
            defer { state.savesMarks = true }
            state.lastVerifiedAt = MonotonicClock.now()
            return (state.destination, state.availability, state.savesMarks)
        }
        destination?.markVerified(chunk)
        availability?.insert(chunk)
        guard !isSaving else { return }
        let isQueued = files.submit { [self] in
            state.withLock { $0.savesMarks = false }
            destination?.saveMarks()
        }
        // The next chunk tries again, and whoever keeps the destination saves the rest.
        if !isQueued { state.withLock { $0.savesMarks = false } }
    }

    var isOver: Bool { state.withLock { $0.isOver } }

    /// Whether the disk is why the pull failed.
    var hasDestinationError: Bool { state.withLock { $0.destinationError != nil } }

    /// Ends the pull at once: a preparation that is under way is cancelled, and nobody is led to its content any more.
    func end(in registry: ContentRegistry) {
        let offered: (ManifestID, ChunkAvailability)? = state.withLock { state in
            state.isOver = true
            guard let manifest = state.manifest, let availability = state.availability else { return nil }
            return (manifest, availability)
        }
        if let (manifest, availability) = offered { registry.remove(manifest, of: availability) }
    }

    func take(_ notice: PullNotice) {
        switch notice {
        case .searching: tell("searching")
        case .found(let manifest, let identity, let totalBytes, let chunks, let sources):
            state.withLock { $0.foundAt = MonotonicClock.now() }
            tell("found") {
                $0.revision = identity.revision
                $0.manifest = manifest.description
                $0.totalBytes = totalBytes
                $0.totalChunks = chunks
                $0.sourceCount = sources
            }
        case .resumed(let chunks): tell("resumed") { $0.chunks = chunks }
        case .source(let peer, let name, let lane):
            state.withLock { $0.names[peer] = name }
            tell("source") {
                $0.source = PullSourceView(
                    peer: peer.description, name: name, lane: lane.word, bytes: 0, chunks: 0, failures: 0, note: "")
            }
        case .progress(let bytes, let chunks):
            tell("progress") {
                $0.bytes = bytes
                $0.chunks = chunks
            }
        case .complete(let report):
            complete(report)
            finish(.success(report))
        case .failed(.destination, let report) where state.withLock({ $0.destinationError != nil }):
            state.withLock { $0.destinationError }.map { fail(SidecarError($0), report) }
        case .failed(let failure, let report): fail(SidecarError(failure), report)
        }
    }

    // MARK: Events

    private func complete(_ report: PullReport) {
        let (found, transfer) = state.withLock { ($0.foundAt, $0.lastVerifiedAt - $0.readyAt) }
        let seconds = Double(transfer) / 1e9
        let received = report.bytesVerified
        tell("complete") {
            $0.bytes = received
            $0.totalBytes = report.totalBytes
            $0.chunks = report.chunksVerified
            $0.totalChunks = report.chunks
            $0.seconds = Double(MonotonicClock.now() - found) / 1e9
            $0.transferSeconds = seconds
            $0.gigabytesPerSecond = seconds > 0 ? Double(received) / 1e9 / seconds : 0
            $0.sources = views(of: report)
            $0.sourcesUntold = report.untoldSources > 0 ? report.untoldSources : nil
            $0.integrity = integrity == .full ? "full" : "crc"
            $0.exitCode = ExitCodes.done
        }
    }

    private func fail(_ error: SidecarError, _ report: PullReport) {
        tell("failed") {
            $0.message = error.description
            $0.sources = views(of: report)
            $0.exitCode = error.exitCode
        }
        finish(.failure(error))
    }

    /// After everything that was told before.
    private func finish(_ outcome: Result<PullReport, SidecarError>) {
        let finished = self.finished
        if !notices.submit({ finished(outcome) }) { finished(outcome) }
    }

    private func views(of report: PullReport) -> [PullSourceView] {
        // A source that has left the mesh meanwhile is known by the name that it had.
        let (names, paths) = state.withLock { ($0.names, $0.paths) }
        return zip(report.sources, report.names).map { tally, name in
            var view = PullSourceView(tally, name: name.isEmpty ? names[tally.peer] ?? "" : name)
            view.paths = paths[tally.peer]
            return view
        }
    }

    private func tell(_ event: String, _ fill: (inout JobEvent) -> Void = { _ in }) {
        var told = JobEvent(event: event)
        told.model = model
        told.directory = place.directory
        fill(&told)
        if event == "progress" { tellLatest(told) } else { notices.submit { [emit, told] in emit(told) } }
    }

    private func tellLatest(_ event: JobEvent) {
        let isWaiting = state.withLock { state in
            defer { state.untold = event }
            return state.untold != nil
        }
        guard !isWaiting else { return }
        notices.submit { [self] in
            let latest = state.withLock { state in
                defer { state.untold = nil }
                return state.untold
            }
            if let latest { emit(latest) }
        }
    }
}
