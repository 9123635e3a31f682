import Checkpoint
import DataPlane
import Digest
import EventThread
import LocalAPI
import PeerLogic
import Records
import Telemetry
import Transfer

/// One pull into a folder: its destination, its lanes, and what its user is told.
///
/// Made on any thread; lanes and notices are touched on the peer's thread only, the destination on the file pool's.
final class PullJob: Sendable {
    private struct State {
        var writer: FolderWriter?
        var target: LaneTarget?
        var lanes: [LeaseID: any LaneReader] = [:]
        var generation: UInt64 = 0
        var manifest: ManifestID?
        /// What the lanes hand out of this destination, shared with the registry when this pull's content is the one served.
        var availability: ChunkAvailability?
        var names: [PeerID: String] = [:]
        var foundAt: UInt64 = 0
        /// Why the destination could not be made or sealed.
        var destinationError: CheckpointError?
        var isOver = false
        /// Whether the file pool is about to write down which chunks are verified.
        var savesMarks = false
        /// Progress that its user has not been told of yet; the newest replaces the one before.
        var untold: JobEvent?
    }

    let id: PullID
    let directory: String
    private let model: String
    private let integrity: LaneIntegrity
    /// One thread on which users are told, so that a terminal that stands still never holds the peer's thread.
    private let notices: WorkerPool
    private let emit: @Sendable (JobEvent) -> Void
    private let finished: @Sendable (Result<PullReport, SidecarError>) -> Void
    private let state = Guarded(State())

    init(
        id: PullID, model: String, directory: String, integrity: LaneIntegrity, notices: WorkerPool,
        emit: @escaping @Sendable (JobEvent) -> Void,
        finished: @escaping @Sendable (Result<PullReport, SidecarError>) -> Void
    ) {
        self.id = id
        self.model = model
        self.directory = directory
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
    ) throws(CheckpointError) -> (content: ContentRegistry.Content, have: ChunkSet) {
        guard !isOver, !isCancelled() else { throw .cancelled }
        let writer = try FolderWriter.open(directory: directory, manifest: manifest, id: id)
        try ifNotOver { $0.writer = writer }
        let have = try writer.verifiedChunks(
            using: digester, threads: threads, isCancelled: { [self] in isOver || isCancelled() })
        let target = LaneTarget(
            layout: manifest.layout, digests: manifest.digests, digester: digester, integrity: integrity, sink: writer,
            buffers: ChunkBufferPool(bufferSize: Int(manifest.layout.chunkSize)), verification: verification,
            onEvent: onEvent)
        let availability = ChunkAvailability(ChunkSet(chunkCount: manifest.layout.chunkCount))
        try ifNotOver { state in
            state.availability = availability
            state.target = target
        }
        return (ContentRegistry.Content(storages: writer, availability: availability), have)
    }

    /// Lets others read the destination, unless the pull is over: `end` finds what is offered, and nothing is after it.
    func offer(
        _ content: ContentRegistry.Content, as id: ManifestID, in registry: ContentRegistry
    ) throws(CheckpointError) {
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
        guard let writer = state.withLock({ $0.writer }) else { throw .cancelled }
        try writer.finish()
    }

    /// Ends the destination of a failed pull: what could be resumed is left, what can't be is removed. Blocks.
    func discard(keepsForResume: Bool) {
        let (writer, target) = state.withLock { ($0.writer, $0.target) }
        target?.buffers.close()
        if keepsForResume { writer?.keepForResume() } else { try? writer?.abandon() }
    }

    // MARK: On the peer's thread

    func openLane(_ grant: LeaseGrant, _ offer: LaneOffer, socketDirectory: String?) throws(LaneError) {
        let (target, generation) = state.withLock { state in
            state.generation += 1
            return (state.target, state.generation)
        }
        guard let target else { throw .noResources("the destination is gone") }
        let opening = LaneOpening(
            tag: LaneTag(lease: grant.lease, kind: offer.kind, generation: generation), offer: offer,
            sessionKey: grant.sessionKey, window: grant.window, hostSocketDirectory: socketDirectory)
        let lane = try Lanes.open(opening, into: target)
        state.withLock { $0.lanes[grant.lease] = lane }
    }

    func lane(_ lease: LeaseID) -> (any LaneReader)? { state.withLock { $0.lanes[lease] } }

    func forgetLane(_ lease: LeaseID) { state.withLock { $0.lanes[lease] = nil } }

    /// Notes that a chunk lies verified in the destination: for readers at once, for a later resume when the file pool
    /// comes to it. One job of that pool writes down all that is new by then.
    func markVerified(_ chunk: Int, savedBy files: WorkerPool) {
        let (writer, availability, isSaving) = state.withLock { state in
            defer { state.savesMarks = true }
            return (state.writer, state.availability, state.savesMarks)
        }
        writer?.markVerified(chunk)
        availability?.insert(chunk)
        guard !isSaving else { return }
        let isQueued = files.submit { [self] in
            state.withLock { $0.savesMarks = false }
            writer?.saveMarks()
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
        let elapsed = MonotonicClock.now() - state.withLock { $0.foundAt }
        let seconds = Double(elapsed) / 1e9
        let received = report.sources.reduce(0) { $0 + $1.bytes }
        tell("complete") {
            $0.bytes = received
            $0.totalBytes = report.totalBytes
            $0.chunks = report.chunksVerified
            $0.totalChunks = report.chunks
            $0.seconds = seconds
            $0.gigabytesPerSecond = seconds > 0 ? Double(received) / 1e9 / seconds : 0
            $0.sources = views(of: report)
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
        let names = state.withLock { $0.names }
        return report.sources.map {
            PullSourceView(
                peer: $0.peer.description, name: names[$0.peer] ?? "", lane: $0.lane?.word ?? "", bytes: $0.bytes,
                chunks: $0.chunks, failures: $0.failures, note: $0.note)
        }
    }

    private func tell(_ event: String, _ fill: (inout JobEvent) -> Void = { _ in }) {
        var told = JobEvent(event: event)
        told.model = model
        told.directory = directory
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
