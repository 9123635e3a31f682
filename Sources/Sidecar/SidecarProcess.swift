import Checkpoint
import Configuration
import DataPlane
import Digest
import EventThread
package import LocalAPI
import Mesh
import MeshTransport
package import PeerLogic
package import Records
import Signing
import Telemetry
package import Transfer
import Trust

/// One sidecar: a peer on its thread, its lanes, and the jobs that people and engines give it.
package final class SidecarProcess: MeshViews {
    package let settings: SidecarSettings
    package let endpoints: Endpoints
    package let dataPort: UInt16
    let host: PeerHost
    let shell: LaneShell
    /// The workers of this pod's engine.
    let engines = EngineBoard()
    private let revocations: Task<Void, Never>
    private let nextPull = Guarded<UInt64>(1)
    private let served = Guarded<[ServedFolder]>([])

    private struct ServedFolder: Sendable {
        let model: String
        let manifest: ManifestID
    }

    private init(
        settings: SidecarSettings, host: PeerHost, shell: LaneShell, endpoints: Endpoints, dataPort: UInt16
    ) {
        self.settings = settings
        self.host = host
        self.shell = shell
        self.endpoints = endpoints
        self.dataPort = dataPort
        let file = settings.peer.state.revocations
        revocations = Task { await RevocationWatch.run(file: file) { host.submit(.revocation($0.encoded)) } }
    }

    // MARK: Start and stop

    /// Loads the token, opens lanes and sockets, and joins the mesh.
    package static func start(_ settings: SidecarSettings) async throws(SidecarError) -> SidecarProcess {
        do {
            return try await open(settings)
        } catch let error as SidecarError {
            throw error
        } catch let error as ConfigurationError {
            if case .noToken = error { throw SidecarError("\(error)", exitCode: ExitCodes.notFound) }
            throw SidecarError("\(error)")
        } catch let error as TrustError {
            throw SidecarError("the join token can't be used: \(error)", exitCode: ExitCodes.refused)
        } catch {
            throw SidecarError("\(error)")
        }
    }

    private static func open(_ settings: SidecarSettings) async throws -> SidecarProcess {
        let peer = settings.peer
        let token = try TokenFile.load(peer.tokenPath)
        try peer.state.create()
        let secrets = ProcessSecrets()
        let local = PeerID(secrets.signer.publicKey)
        let relay = Guarded<PeerHost?>(nil)
        var lanes = LaneServer.Configuration(peer: local)
        lanes.tcpBindAddress = peer.bind
        lanes.tcpPort = peer.ports.data
        lanes.hostSocketDirectory = peer.lanes.contains(.sharedMemory) ? peer.hostSocketDirectory : nil
        lanes.bytesPerSecond = peer.rateLimit
        let fabric = SidecarFabric(settings)
        lanes.fabric = fabric.verbs
        lanes.ucx = fabric.ucx
        let server = try LaneServer(configuration: lanes) { lease, bytes in
            relay.withLock { $0 }?.submit(.served(lease, bytes: bytes))
        }
        let digester = ChunkDigester(
            crc32c: DataPlaneKernels.crc32c, strong: SodiumDigests.blake2b256,
            strongOfParts: SodiumDigests.blake2b256OfParts)
        let shell = try LaneShell(
            server: server, socketDirectory: lanes.hostSocketDirectory, fabric: fabric, digester: digester)
        let advertised = peer.advertisedHost ?? AdvertisedAddress.find(towards: peer.peers)
        var configuration = PeerConfiguration(
            presence: OwnPresence(name: peer.name, zone: peer.zone, host: HostIdentity.bootID),
            seeds: peer.peers + remembered(settings),
            lanes: peer.lanes.filter(fabric.has))
        configuration.ledger.slots = peer.slots
        configuration.fanIn.stall = settings.stall
        configuration.laneOffers = offers(configuration.lanes, server, advertised)
        let now = Moment(monotonic: MonotonicClock.now(), wall: WallClock.now())
        let logic = try PeerLogic(
            configuration: configuration, token: token, secrets: secrets, verifier: Ed25519Verifier(),
            generator: SeededGenerator(seed: ProcessSecrets.seed()), now: now)
        let host = try PeerHost(
            configuration: PeerHostConfiguration(
                bindAddress: peer.bind, advertisedHost: advertised, bootstrapPort: peer.ports.bootstrap,
                controlPort: peer.ports.control, gossipPort: peer.ports.gossip),
            logic: logic, curveSecretKey: secrets.curveSecretKey, handler: shell)
        relay.withLock { $0 = host }
        shell.attach(host)
        let endpoints = try await host.start()
        return SidecarProcess(
            settings: settings, host: host, shell: shell, endpoints: endpoints, dataPort: server.tcpPort)
    }

    private static func remembered(_ settings: SidecarSettings) -> [String] {
        guard settings.remembersPeers else { return [] }
        return settings.peer.state.peerCache.load().filter { !settings.peer.peers.contains($0) }
    }

    /// Keeps the list of neighbours for the next start, until the task is cancelled.
    package func rememberNeighbours() async {
        let cache = settings.peer.state.peerCache
        await NeighbourWatch.run(host) { cache.save($0) }
    }

    /// Takes up a join token that replaces ours, until the task is cancelled.
    package func watchToken() async {
        let host = self.host
        await TokenWatch.run(path: settings.peer.tokenPath) { host.submit(.token($0)) }
    }

    private static func offers(_ lanes: [LaneKind], _ server: LaneServer, _ advertised: String) -> [LaneOffer] {
        lanes.compactMap { lane in
            switch lane {
            case .sharedMemory: server.socketName.map { LaneOffer(kind: lane, address: $0, port: 0) }
            // RDMA begins with a connection to the same port.
            case .tcp, .verbs, .ucx: LaneOffer(kind: lane, address: advertised, port: server.tcpPort)
            }
        }
    }

    /// Says goodbye to the mesh and ends every lane, and whatever is being digested.
    package func stop() async {
        shell.cancelDigests()
        revocations.cancel()
        await host.stop()
        let shell = self.shell
        // Stopping waits for threads, which a task must not.
        await withCheckedContinuation { continuation in
            guard let pool = try? WorkerPool(name: "stop", threads: 1, capacity: 1) else {
                return continuation.resume()
            }
            pool.submit {
                shell.stop()
                continuation.resume()
                withExtendedLifetime(pool) {}
            }
        }
    }

    // MARK: Jobs

    /// Digests a folder and offers it to the mesh, as its origin.
    ///
    /// - Parameters:
    ///   - inMemory: serve from a copy in memory, which costs as much of it as the folder has, and not from the files.
    ///   - emit: told how it goes; called on threads of the sidecar.
    package func serve(
        path: String, name: String?, revision: String?, inMemory: Bool = false,
        emit: @escaping @Sendable (JobEvent) -> Void
    ) async throws(SidecarError) {
        // Before the hours that a large folder may take, where the model's name is known by then.
        if let name { try await requireOrigin(of: name) }
        let (folder, manifest) = try await shell.digest(
            path: path, name: name, revision: revision, cacheFolder: settings.peer.state.digestCache
        ) { done, total in
            var event = JobEvent(event: "digesting")
            event.directory = path
            event.bytes = done
            event.totalBytes = total
            emit(event)
        }
        try await requireOrigin(of: manifest.identity.model)
        let storages: any StorageContent =
            inMemory ? try await shell.load(folder, manifest) { emit(Self.loading(path, $0, $1)) } : folder
        let content = ServedContent(manifest: manifest, isInMemory: inMemory)
        shell.registry.insert(
            ContentRegistry.Content(storages: storages, availability: .init(complete: manifest.layout)),
            for: content.id)
        guard host.submit(.serve(content)) else { throw SidecarError("the peer has stopped") }
        served.withLock {
            $0.append(ServedFolder(model: manifest.identity.model, manifest: content.id))
        }
        var event = JobEvent(event: "serving")
        event.model = manifest.identity.model
        event.revision = manifest.identity.revision
        event.manifest = content.id.description
        event.directory = folder.path
        event.totalBytes = manifest.layout.totalBytes
        event.totalChunks = manifest.layout.chunkCount
        event.bootstrap = "\(endpoints.host):\(endpoints.bootstrapPort)"
        if !folder.notes.isEmpty { event.message = folder.notes.joined(separator: "; ") }
        emit(event)
    }

    private static func loading(_ path: String, _ done: UInt64, _ total: UInt64) -> JobEvent {
        var event = JobEvent(event: "loading")
        event.directory = path
        event.bytes = done
        event.totalBytes = total
        return event
    }

    private func requireOrigin(of model: String) async throws(SidecarError) {
        let isOrigin = try? await host.query { logic in logic.mayIntroduce(model: model) }
        guard isOrigin == true else {
            throw SidecarError(
                "the join token has no role `origin` for \"\(model)\"; make one with `modelexpress keys token`",
                exitCode: ExitCodes.refused, isFinal: true)
        }
    }

    /// What a daemon does for a folder: pulls a model into it, or offers it again as it is when an earlier run filled it.
    ///
    /// - Parameter emit: as for `pull` and `serve`.
    package func fill(
        _ folder: String, model: String, emit: @escaping @Sendable (JobEvent) -> Void
    ) async throws(SidecarError) {
        if await shell.holdsFiles(folder) {
            try await serve(path: folder, name: model, revision: nil, emit: emit)
        } else {
            try await pull(WantedModel(model: model), to: .folder(folder), options: PullOptions(), emit: emit)
        }
    }

    /// Pulls a model to a folder, into memory or nowhere.
    ///
    /// - Parameter emit: told how it goes, `complete` or `failed` last; called on threads of the sidecar.
    package func pull(
        _ wanted: WantedModel, to place: PullPlace, options: PullOptions,
        emit: @escaping @Sendable (JobEvent) -> Void
    ) async throws(SidecarError) {
        let id = PullID(
            nextPull.withLock { next in
                defer { next += 1 }
                return next
            })
        var options = options
        options.keepsContent = place.keepsContent
        options.isInMemory = place.isInMemory
        let (shell, host, usesCRCAlone) = (self.shell, self.host, settings.usesCRCAlone)
        let outcome: Result<PullReport, SidecarError> = await withTaskCancellationHandler {
            await withCheckedContinuation { [options] continuation in
                let job = PullJob(
                    id: id, model: wanted.model, place: place, integrity: usesCRCAlone ? .crc : .full,
                    notices: shell.notices, emit: emit
                ) { continuation.resume(returning: $0) }
                shell.add(job)
                if !host.submit(.pull(id, wanted, options)) {
                    continuation.resume(returning: .failure(SidecarError("the peer has stopped")))
                }
                // A cancellation that came before the pull was known did not find it.
                if Task.isCancelled { host.submit(.cancel(id)) }
            }
        } onCancel: {
            host.submit(.cancel(id))
        }
        _ = try outcome.get()
    }

    /// Ends the offer of every served folder of this name. Returns how many there were.
    package func withdraw(model: String) -> Int {
        let ended = served.withLock { folders in
            let matching = folders.filter { $0.model == model }
            folders.removeAll { $0.model == model }
            return matching
        }
        for folder in ended {
            host.submit(.withdraw(folder.manifest))
            shell.registry.remove(folder.manifest)
        }
        return ended.count
    }

    // MARK: Views

    package func status() async -> StatusView? {
        let (program, endpoints, dataPort) = (settings.program, self.endpoints, self.dataPort)
        var view = try? await host.query {
            StatusView.of($0, program: program, state: "ok", endpoints: endpoints, dataPort: dataPort)
        }
        if settings.engines != nil { view?.engines = engines.views }
        return view
    }

    package func peers() async -> [PeerView] {
        (try? await host.query { PeerView.all(of: $0, now: Self.now()) }) ?? []
    }

    package func sources() async -> [SourceView] {
        (try? await host.query { SourceView.all(of: $0, now: Self.now()) }) ?? []
    }

    private static func now() -> Moment { Moment(monotonic: MonotonicClock.now(), wall: WallClock.now()) }
}
