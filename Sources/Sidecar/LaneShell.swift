import Arena
import Checkpoint
import DataPlane
import Digest
import EventThread
import Glibc
import MeshTransport
import PeerLogic
import Records
import Signing
import Telemetry
import Transfer

/// Performs a peer's effects on lanes and destinations, and turns their completions into events.
final class LaneShell: PeerEffectHandler {
    /// Threads that open, digest and seal folders, and jobs that may wait for them.
    private static let fileThreads = 2
    private static let fileJobs = 64
    /// Chunks that may wait for verification; each holds a buffer, so the buffers bound them first.
    private static let verificationQueue = 4_096
    /// Events that users have not been told of; progress counts once for each pull.
    private static let noticeQueue = 16_384

    let registry = ContentRegistry()
    /// Where users are told how their jobs go.
    let notices: WorkerPool
    private let server: LaneServer
    private let socketDirectory: String?
    private let fabric: SidecarFabric
    private let verification: WorkerPool
    private let files: WorkerPool
    let digester: ChunkDigester
    /// Threads that one digest may take.
    let threads: Int
    private let jobs = Guarded<[PullID: PullJob]>([:])
    private let host = Guarded<PeerHost?>(nil)
    /// Set when the process ends: no folder is digested any more.
    private let isEnding = Guarded(false)
    private let log = Log(component: "transfer")

    /// - Parameter fabric: stopped with this shell.
    init(
        server: LaneServer, socketDirectory: String?, fabric: SidecarFabric, digester: ChunkDigester
    ) throws(EventThreadError) {
        self.server = server
        self.socketDirectory = socketDirectory
        self.fabric = fabric
        self.digester = digester
        threads = max(1, sysconf(Int32(_SC_NPROCESSORS_ONLN)))
        verification = try WorkerPool(name: "verify", threads: threads, capacity: Self.verificationQueue)
        notices = try WorkerPool(name: "notices", threads: 1, capacity: Self.noticeQueue)
        files = try WorkerPool(name: "files", threads: Self.fileThreads, capacity: Self.fileJobs)
    }

    /// Completions go to this peer from now on.
    func attach(_ host: PeerHost) { self.host.withLock { $0 = host } }

    func add(_ job: PullJob) { jobs.withLock { $0[job.id] = job } }

    /// Whatever is being digested ends soon, and what waits for it does not begin. Any thread.
    func cancelDigests() { isEnding.withLock { $0 = true } }

    /// Ends what only this shell would keep alive. Waits for its threads; never from a task.
    func stop() {
        cancelDigests()
        host.withLock { $0 = nil }
        server.stop()
        verification.stop()
        files.stop()
        notices.stop()
        fabric.stop()
    }

    /// Opens and digests a folder on the file pool, until the task is cancelled or this shell stops.
    ///
    /// - Parameter progress: bytes done and in all; called on that pool.
    func digest(
        path: String, name: String?, revision: String?, cacheFolder: String,
        progress: @escaping @Sendable (UInt64, UInt64) -> Void
    ) async throws(SidecarError) -> (folder: CheckpointFolder, manifest: Manifest) {
        let (digester, threads, isEnding) = (self.digester, self.threads, self.isEnding)
        let outcome = await onFiles { (isCancelled) throws(CheckpointError) in
            let isCancelled: @Sendable () -> Bool = { isCancelled() || isEnding.withLock { $0 } }
            guard !isCancelled() else { throw .cancelled }
            let folder = try CheckpointFolder.open(path: path, name: name, revision: revision)
            // A cache that can't be used costs time, not correctness.
            let cache = try? DigestCache.open(folder: cacheFolder)
            let manifest = try folder.digest(
                using: digester, threads: threads, cache: cache, isCancelled: isCancelled, progress: progress)
            return (folder, manifest)
        }
        switch outcome {
        case .success(let found): return (found.0, found.1)
        case .failure(let error): throw SidecarError(error)
        case nil: throw SidecarError("too many folders are being opened at once; try again later")
        }
    }

    /// Copies a digested folder into memory on the file pool, until the task is cancelled or this shell stops.
    ///
    /// - Parameter progress: bytes done and in all; called on that pool.
    func load(
        _ folder: CheckpointFolder, _ manifest: Manifest, progress: @escaping @Sendable (UInt64, UInt64) -> Void
    ) async throws(SidecarError) -> MemoryArena {
        let (digester, isEnding) = (self.digester, self.isEnding)
        let outcome = await onFiles { (isCancelled) throws(CheckpointError) in
            try FolderArena.load(
                folder, manifest, digester: digester, isCancelled: { isCancelled() || isEnding.withLock { $0 } },
                progress: progress)
        }
        switch outcome {
        case .success(let arena): return arena
        case .failure(let error): throw SidecarError(error)
        case nil: throw SidecarError("too many folders are being opened at once; try again later")
        }
    }

    /// Whether a pull to this folder would find files in it. Looked up on the file pool.
    func holdsFiles(_ directory: String) async -> Bool {
        let outcome = await onFiles { _ in FolderWriter.holdsFiles(directory) }
        if case .success(true) = outcome { return true }
        return false
    }

    /// Runs blocking work of a task on the file pool; nil when the pool takes no more.
    func onFiles<Value: Sendable>(
        _ work: @escaping @Sendable (_ isCancelled: @escaping @Sendable () -> Bool) throws(CheckpointError) -> Value
    ) async -> Result<Value, CheckpointError>? {
        let isCancelled = Guarded(false)
        return await withTaskCancellationHandler {
            await withCheckedContinuation { waiting in
                let isQueued = files.submit {
                    do throws(CheckpointError) {
                        waiting.resume(returning: .success(try work { isCancelled.withLock { $0 } }))
                    } catch {
                        waiting.resume(returning: .failure(error))
                    }
                }
                if !isQueued { waiting.resume(returning: nil) }
            }
        } onCancel: {
            isCancelled.withLock { $0 = true }
        }
    }

    // MARK: Effects, on the peer's thread

    func perform(_ effect: PeerEffect) {
        switch effect {
        case .admit(let lease, let sessionKey, let manifest, let window, let closeness):
            guard let content = registry[manifest] else { return }
            server.admit(
                ServedLease(
                    lease: lease, sessionKey: sessionKey, window: window, content: content.storages,
                    layout: content.storages.layout, availability: content.availability, closeness: closeness))
        case .end(let lease): server.end(lease)
        case .look(let manifest, let chunk, let expected): look(manifest, chunk, expected)
        case .prepare(let id, let manifest, let manifestID): prepare(id, manifest, manifestID)
        case .openLane(let id, let peer, let grant, let offer, let closeness):
            openLane(id, peer, grant, offer, closeness)
        case .read(let id, let lease, let chunk, let place):
            job(id)?.lane(lease)?.read(LaneRead(chunk: chunk, into: place))
        case .place(let id, let lease, let chunk): self.place(id, lease, chunk)
        case .dropBounce(let id, let lease, let chunk): _ = job(id)?.takeBounced(chunk, from: lease)
        case .closeLane(let id, let lease): closeLane(id, lease)
        case .available(let id, let chunk): available(id, chunk)
        case .seal(let id): seal(id)
        case .pull(let id, let notice): take(id, notice)
        case .mesh, .log: break
        }
    }

    private func look(_ manifest: ManifestID, _ chunk: Int, _ expected: ChunkDigests) {
        guard let content = registry[manifest] else { return }
        // When the pool is full a later dispute asks again.
        verification.submit { [self] in
            let isRight = ContentLook.isRight(content.storages, chunk: chunk, expected, digester: digester)
            // Nobody is led to it any more; its files or its memory go with the leases that still hold it.
            if !isRight { registry.remove(manifest, of: content.availability) }
            submit(.looked(manifest, chunk: chunk, isRight: isRight))
        }
    }

    private func job(_ id: PullID) -> PullJob? { jobs.withLock { $0[id] } }

    private func submit(_ event: PeerEvent) { host.withLock { $0 }?.submit(event) }

    private func prepare(_ id: PullID, _ manifest: Manifest, _ manifestID: ManifestID) {
        guard let job = job(id) else { return }
        let isQueued = files.submit { [self] in
            do throws(CheckpointError) {
                let prepared = try job.prepare(
                    manifest, manifestID, digester: digester, threads: threads, verification: verification,
                    isCancelled: { [isEnding] in isEnding.withLock { $0 } }, onEvent: { [self] in completed(id, $0) })
                try job.offer(prepared.content, as: manifestID, in: registry)
                submit(.destinationReady(id, have: prepared.have))
            } catch {
                // What is there stays for the next pull.
                if case .cancelled = error { return submit(.cancel(id)) }
                job.noteDestinationError(error)
                submit(.destinationFailed(id, "\(error)"))
            }
        }
        if !isQueued { submit(.destinationFailed(id, "too many pulls begin at once; try again later")) }
    }

    private func openLane(
        _ id: PullID, _ peer: PeerID, _ grant: LeaseGrant, _ offer: LaneOffer, _ closeness: Closeness
    ) {
        do throws(LaneError) {
            guard let job = job(id) else { throw .noResources("the pull is over") }
            try job.openLane(peer, grant, offer, closeness, socketDirectory: socketDirectory, fabric: fabric)
        } catch {
            submit(.lane(id, .laneFailed(grant.lease, "\(error)")))
            submit(.lane(id, .laneClosed(grant.lease)))
        }
    }

    /// Copies a bounced chunk to its place, where no lane writes any more.
    private func place(_ id: PullID, _ lease: LeaseID, _ chunk: Int) {
        guard let job = job(id), let bounced = job.takeBounced(chunk, from: lease), let sink = job.sink else { return }
        let isQueued = verification.submit { [self] in
            do throws(LaneError) {
                try bounced.place(in: sink)
                submit(.lane(id, .placed(lease, chunk: chunk)))
            } catch {
                submit(.lane(id, .failed(lease, chunk: chunk, Self.failure(error))))
            }
        }
        if !isQueued {
            submit(.lane(id, .failed(lease, chunk: chunk, .sink("too much waits for verification; pull again"))))
        }
    }

    private func closeLane(_ id: PullID, _ lease: LeaseID) {
        guard let lane = job(id)?.lane(lease) else { return submit(.lane(id, .laneClosed(lease))) }
        lane.close()
    }

    private func available(_ id: PullID, _ chunk: Int) {
        guard let job = job(id) else { return }
        job.markVerified(chunk, savedBy: files)
    }

    private func seal(_ id: PullID) {
        guard let job = job(id) else { return }
        let isQueued = files.submit { [self] in
            do throws(CheckpointError) {
                try job.seal()
                submit(.sealed(id))
            } catch {
                job.noteDestinationError(error)
                submit(.sealFailed(id, "\(error)"))
            }
        }
        if !isQueued { submit(.sealFailed(id, "too many pulls end at once; pull again, and nothing is read twice")) }
    }

    private func take(_ id: PullID, _ notice: PullNotice) {
        guard let job = job(id) else { return }
        switch notice {
        case .complete: jobs.withLock { $0[id] = nil }
        case .failed(let failure, _):
            jobs.withLock { $0[id] = nil }
            discard(job, failure, then: notice)
            return
        default: break
        }
        job.take(notice)
    }

    /// What a failed pull wrote is cleaned up before its user is told.
    private func discard(_ job: PullJob, _ failure: PullFailure, then notice: PullNotice) {
        job.end(in: registry)
        let keepsForResume: Bool =
            switch failure {
            case .transfer(.stalled), .cancelled: true
            // Nothing is wrong with what was written when only the file pool was full.
            case .destination: !job.hasDestinationError
            default: false
            }
        let discard: @Sendable () -> Void = {
            job.discard(keepsForResume: keepsForResume)
            job.take(notice)
        }
        // Both refuse only when the process ends, and what was written then stays as after a kill.
        if !files.submit(discard), !notices.submit(discard) { job.take(notice) }
    }

    // MARK: Completions, on the lanes' threads

    private func completed(_ id: PullID, _ event: LaneEvent) {
        switch event {
        case .opened(let tag): submit(.lane(id, .laneOpened(tag.lease)))
        case .paths(let tag, let paths): job(id)?.note(paths, of: tag.lease)
        case .openFailed(let tag, let error): submit(.lane(id, .laneFailed(tag.lease, "\(error)")))
        case .verified(let tag, let chunk, let bytes):
            submit(.lane(id, .verified(tag.lease, chunk: chunk, bytes: bytes)))
        case .arrived(let tag, let bytes): submit(.lane(id, .arrived(tag.lease, bytes: bytes)))
        case .bounced(let tag, let chunk, let bytes, let bounced):
            job(id)?.keep(bounced, chunk, from: tag.lease)
            submit(.lane(id, .bounced(tag.lease, chunk: chunk, bytes: bytes)))
        case .failed(let tag, let chunk, let error):
            submit(.lane(id, .failed(tag.lease, chunk: chunk, Self.failure(error))))
        case .closed(let tag):
            job(id)?.forgetLane(tag.lease)
            submit(.lane(id, .laneClosed(tag.lease)))
        }
    }

    private static func failure(_ error: LaneError) -> ReadFailure {
        switch error {
        case .crcMismatch, .digestMismatch, .sourceFailed, .unsuitableDescriptor: .wrongBytes("\(error)")
        case .notAvailable: .notAvailable
        case .sinkFailed: .sink("\(error)")
        default: .lost("\(error)")
        }
    }
}
