import Arena
import Checkpoint
import DataPlane
import EngineBridge
import EventThread
import MeshTransport
import PeerLogic
import Records
import Telemetry

/// A worker's weights as others see them: offered once vLLM has processed them, taken up from a sidecar that ended, withdrawn.
extension EngineAgent {
    /// Offers what is still as it was digested, once vLLM has processed it.
    func offer() async {
        guard let held = holding, !held.isOffered || held.isPaused else { return }
        guard
            let have = await digests(
                held.memory,
                { passes throws(CheckpointError) in
                    try passes.unchanged(from: held.manifest.digests, isQuick: true)
                })
        else { return }
        await publish(have, proof: nil)
    }

    /// Serves these chunks of what is held.
    func publish(_ have: ChunkSet, proof: IntroductionProof?) async {
        guard let held = holding else { return }
        let chunks = held.manifest.layout.chunkCount
        guard !have.isEmpty || chunks == 0 else {
            tell("nothing of the engine's weights is as it was loaded: they are not offered")
            withdraw()
            return
        }
        sidecar.shell.registry.insert(
            ContentRegistry.Content(storages: held.memory, availability: .init(have)), for: held.id)
        if held.isOffered {
            sidecar.host.submit(.resume(held.id, have: have))
        } else {
            let content = ServedContent(manifest: held.manifest, isInMemory: true, have: have, proof: proof)
            sidecar.host.submit(.serve(content))
        }
        loading = nil
        holding?.isOffered = true
        holding?.isPaused = false
        sidecar.engines.note(number, offered: held.id, coverage: Double(have.count) / Double(max(chunks, 1)))
        tell(
            "serving the engine's weights",
            [
                ("model", held.description.identity.model), ("manifest", held.id.short), ("chunks", have.count),
                ("changed", chunks - have.count),
            ])
    }

    /// A pass over an arena on the file pool; nil when it was cancelled, or the pool is full and another time will do.
    func digests<Value: Sendable>(
        _ memory: MemoryArena, _ pass: @escaping @Sendable (ArenaDigests) throws(CheckpointError) -> Value
    ) async -> Value? {
        let shell = sidecar.shell
        let outcome = await shell.onFiles { (isCancelled) throws(CheckpointError) in
            try pass(
                ArenaDigests(
                    arena: memory, digester: shell.digester, threads: shell.threads, isCancelled: isCancelled))
        }
        guard case .success(let value) = outcome else { return nil }
        return value
    }

    func record(of manifest: Manifest, _ id: ManifestID) async -> String {
        let proof = try? await sidecar.host.query { $0.introduction(of: id) }
        return EngineRecord(manifest: manifest, proof: proof ?? nil).text
    }

    func takeUp(_ hello: EngineHello, _ connection: EngineConnection) async throws(EngineError) {
        guard hello.arena > 0 else { return }
        // The record came after the description was first asked for.
        let description = try await connection.describe(generation: generation)
        self.description = description
        sidecar.engines.note(number, description)
        guard description.mayShare, let kept = EngineRecord(text: description.record),
            description.differences(from: kept.manifest).isEmpty
        else { return }
        let (memory, number) = try await adopt(description, connection, isWritable: false)
        guard
            let have = await digests(
                memory,
                { passes throws(CheckpointError) in
                    try passes.unchanged(from: kept.manifest.digests, isQuick: false)
                })
        else { return }
        holding = Holding(
            description: description, manifest: kept.manifest, id: kept.manifest.id, memory: memory, number: number,
            isOffered: false)
        tell("taken up where another sidecar ended")
        await publish(have, proof: kept.proof)
    }

    /// What a worker shared outlives it in this process: whoever reads it may finish, unless its next start needs the memory.
    func letReadersFinish() async {
        guard let held = holding, held.isOffered else { return }
        let limit = sidecar.settings.drainLimit
        sidecar.host.submit(.pause(held.id, grace: limit))
        let end = MonotonicClock.now() + limit
        while !Task.isCancelled, MonotonicClock.now() < end, !EngineSockets.isListening(path) {
            guard (try? await sidecar.host.query { $0.readers(of: held.id) }) ?? 0 > 0 else { return }
            try? await Task.sleep(nanoseconds: EngineLimits.calmPeriod)
        }
    }

    func dropHolding() {
        guard let held = holding else { return }
        if held.isOffered { sidecar.host.submit(.withdraw(held.id)) }
        sidecar.shell.registry.remove(held.id)
        sidecar.engines.note(number, offered: nil, coverage: 0)
        holding = nil
    }

    func withdraw() {
        dropHolding()
        if let loading { sidecar.host.submit(.loadingEnded(loading.identity, rank: loading.rank)) }
        loading = nil
    }
}
