import Arena
import Checkpoint
import DataPlane
import EngineBridge
import EventThread
import MeshTransport
import PeerLogic
import Records
import Telemetry
import Transfer
import ZeroMQ

/// What one worker of this pod needs, from its first word to its end: weights from the mesh, or leave to load them; digests of
/// what it loaded; and readers kept away while it works on them.
///
/// It asks the worker for its phase and does what that phase calls for, so that a sidecar that starts anew beside a running
/// engine goes on where the one before it ended. One task owns it.
final class EngineAgent {
    /// A worker's weights, as this sidecar knows them.
    struct Holding {
        let description: EngineDescription
        let manifest: Manifest
        let id: ManifestID
        let memory: MemoryArena
        /// Which of the worker's arenas that is.
        let number: Int
        /// Whether the peer's logic has an offer of it, be it paused.
        var isOffered: Bool
        var isPaused = false
    }

    let sidecar: SidecarProcess
    let settings: EngineSettings
    let log: Log
    let number: Int
    let path: String
    private let fields: [Log.Field]
    private(set) var generation = ""
    var holding: Holding?
    /// What was announced to be loaded from disk.
    var loading: (identity: SourceIdentity, rank: UInt32)?
    var description: EngineDescription?
    /// What a worker refused last, so that it is told once.
    private var complaint = ""

    init(number: Int, path: String, sidecar: SidecarProcess, settings: EngineSettings) {
        self.number = number
        self.path = path
        self.sidecar = sidecar
        self.settings = settings
        log = Log(component: "engine")
        fields = [("worker", number)]
    }

    /// Until the worker ends, or the task is cancelled.
    func attend(_ context: ZeroMQContext) async {
        let connection: EngineConnection
        do throws(EngineError) {
            connection = try EngineConnection(context: context, path: path)
        } catch {
            // A socket that a killed worker left, most of the time.
            if error != .gone { complain("\(error)") }
            return
        }
        while !Task.isCancelled, await connection.isAlive() {
            var period = EngineLimits.calmPeriod
            do throws(EngineError) {
                let hello = try await connection.hello()
                sidecar.engines.note(number, hello)
                if try await act(on: hello, connection) { period = EngineLimits.urgentPeriod }
            } catch {
                complain("\(error)")
            }
            try? await Task.sleep(nanoseconds: period)
        }
        if !generation.isEmpty { tell("worker gone") }
        await letReadersFinish()
        withdraw()
        sidecar.engines.remove(number)
        // Closing waits for the connection's thread.
        DetachedWork.run { connection.close() }
    }

    /// Whether the engine waits for us.
    private func act(on hello: EngineHello, _ connection: EngineConnection) async throws(EngineError) -> Bool {
        if hello.generation != generation {
            withdraw()
            generation = hello.generation
            description = nil
            tell("worker", [("vllm", hello.vllm), ("pid", Int(hello.pid)), ("phase", hello.phase.rawValue)])
        }
        switch hello.phase {
        case .starting, .filled: return true
        case .processing:
            announceLoading(hello)
            return true
        case .waiting:
            try await fill(hello, connection)
            return true
        case .loading:
            let description = try await described(connection)
            guard description.mayShare else { return false }
            loading = (description.identity, description.rank)
            announceLoading(hello)
            return false
        case .loaded:
            announceLoading(hello)
            if let holding, holding.number == hello.arena {
                try await letProceed(holding, connection)
            } else {
                try await digest(hello, connection)
            }
            return true
        case .ready:
            if holding == nil { try await takeUp(hello, connection) }
            await offer()
            return false
        case .changed:
            withdraw()
            try await connection.withdrawn(generation: generation)
            return true
        case .apart:
            withdraw()
            return false
        }
    }

    private func described(_ connection: EngineConnection) async throws(EngineError) -> EngineDescription {
        if let description { return description }
        let described = try await connection.describe(generation: generation)
        description = described
        sidecar.engines.note(number, described)
        return described
    }

    // MARK: Filling

    private func fill(_ hello: EngineHello, _ connection: EngineConnection) async throws(EngineError) {
        withdraw()
        let description = try await described(connection)
        guard description.mayShare else {
            let reason =
                "it is not known which weights these are; set MX_MODEL_REVISION, or MX_ALLOW_UNPINNED=1 where every "
                + "replica loads the same"
            return try await connection.disk(reason, generation: generation)
        }
        let (memory, number) = try await adopt(description, connection, isWritable: true)
        try await connection.mapped(arena: number, generation: generation)
        let engine = EngineArena(description, memory)
        let outcome = try await pull(engine, connection)
        guard let content = engine.content, case .success = outcome else {
            if case .failure(let error) = outcome {
                tell("the engine loads from disk", [("reason", error.description)])
                EngineBoard.fromDisk.increment()
                return try await connection.disk(error.description, generation: generation)
            }
            return
        }
        let record = await record(of: content.manifest, content.id)
        holding = Holding(
            description: description, manifest: content.manifest, id: content.id, memory: memory, number: number,
            isOffered: true)
        try await connection.filled(
            "manifest \(content.id.short)", record: record, generation: generation)
        EngineBoard.fromMesh.increment()
        tell("the engine is filled", [("model", description.identity.model), ("manifest", content.id.short)])
    }

    /// Pulls into the engine's memory, and gives up when the engine does.
    private func pull(
        _ engine: EngineArena, _ connection: EngineConnection
    ) async throws(EngineError) -> Result<Void, SidecarError> {
        let (sidecar, log, description) = (self.sidecar, self.log, engine.description)
        var options = PullOptions()
        options.cold = ColdStart(
            mayLoad: description.mayLoad, loaders: settings.coldLoaders, wait: settings.waitForSource)
        let ended = Guarded<Result<Void, SidecarError>?>(nil)
        let pull = Task { [options] in
            do throws(SidecarError) {
                try await sidecar.pull(
                    WantedModel(identity: description.identity, rank: description.rank), to: .engine(engine),
                    options: options
                ) { JobLog.write($0, to: log) }
                ended.withLock { $0 = .success(()) }
            } catch {
                ended.withLock { $0 = .failure(error) }
            }
        }
        var lastHello = MonotonicClock.now()
        while true {
            if let outcome = ended.withLock({ $0 }) { return outcome }
            // Sleeping ends at once in a task that was cancelled.
            if Task.isCancelled { pull.cancel() }
            try? await Task.sleep(nanoseconds: EngineLimits.urgentPeriod)
            guard MonotonicClock.now() > lastHello + EngineLimits.calmPeriod else { continue }
            lastHello = MonotonicClock.now()
            if await !isWaiting(connection) {
                pull.cancel()
                _ = await pull.value
                // It may have become complete in the same moment: nobody would withdraw it later.
                if let content = engine.content {
                    sidecar.host.submit(.withdraw(content.id))
                    sidecar.shell.registry.remove(content.id)
                }
                throw .refused("it no longer waits for its weights")
            }
        }
    }

    private func isWaiting(_ connection: EngineConnection) async -> Bool {
        do throws(EngineError) {
            let hello = try await connection.hello()
            return hello.generation == generation && hello.phase == .waiting
        } catch {
            // A worker that is slow to answer waits all the same.
            guard error == .silent else { return false }
            return await connection.isAlive()
        }
    }

    func adopt(
        _ description: EngineDescription, _ connection: EngineConnection, isWritable: Bool
    ) async throws(EngineError) -> (MemoryArena, Int) {
        let passed = try await connection.arena(generation: generation)
        do throws(ArenaError) {
            let memory = try MemoryArena(
                adopting: passed.descriptor, layout: description.layout, alignment: description.alignment,
                isWritable: isWritable)
            return (memory, passed.number)
        } catch {
            throw .malformed("memory of no use (\(error))")
        }
    }

    // MARK: Weights from disk

    /// Others wait for a loader that goes on, and what comes after reading has no bytes of its own to tell: time does.
    private func announceLoading(_ hello: EngineHello) {
        guard let loading else { return }
        let beyond = hello.phase == .loading ? 0 : MonotonicClock.now() / Duration64.second
        sidecar.host.submit(
            .loading(loading.identity, rank: loading.rank, bytes: hello.loadedBytes + beyond))
    }

    private func digest(_ hello: EngineHello, _ connection: EngineConnection) async throws(EngineError) {
        dropHolding()
        let description = try await described(connection)
        guard description.mayShare else {
            return try await connection.proceed(record: "", generation: generation)
        }
        let (memory, number) = try await adopt(description, connection, isWritable: false)
        let begin = MonotonicClock.now()
        guard let digests = await digests(memory, { passes throws(CheckpointError) in try passes.all() }) else {
            return
        }
        let manifest: Manifest
        do throws(WireError) {
            manifest = try Manifest(
                identity: description.identity, rank: description.rank, layout: description.layout,
                tensors: description.tensors, digests: digests)
        } catch {
            throw .malformed("weights that make no manifest (\(error))")
        }
        holding = Holding(
            description: description, manifest: manifest, id: manifest.id, memory: memory, number: number,
            isOffered: false)
        let seconds = Double(MonotonicClock.now() - begin) / 1e9
        tell("digested", [("bytes", Int(description.layout.totalBytes)), ("seconds", "\(seconds)")])
        try await connection.proceed(
            record: EngineRecord(manifest: manifest, proof: nil).text, generation: generation)
    }

    /// After a fill: those who read what came leave first.
    private func letProceed(_ held: Holding, _ connection: EngineConnection) async throws(EngineError) {
        if held.isOffered, !held.isPaused {
            sidecar.host.submit(.pause(held.id, grace: EngineLimits.drain))
            holding?.isPaused = true
        }
        if held.isOffered, (try? await sidecar.host.query { $0.readers(of: held.id) }) ?? 0 > 0 { return }
        try await connection.proceed(record: "", generation: generation)
    }

    // MARK: Log

    func tell(_ message: String, _ values: [Log.Field] = []) { log.info(message, fields + values) }

    private func complain(_ reason: String) {
        guard reason != complaint else { return }
        complaint = reason
        log.warning("a worker can't be attended to", fields + [("reason", reason)])
    }
}
