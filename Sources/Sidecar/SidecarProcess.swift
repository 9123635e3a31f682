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
    /// A pull's finished copy goes on being served for at most this long while others read from it, nanoseconds.
    private static let lingerLimit: UInt64 = 60 * Duration64.second
    private static let lingerCheck: UInt64 = 50 * Duration64.millisecond

    package let settings: SidecarSettings
    package let endpoints: Endpoints
    package let dataPort: UInt16
    private let host: PeerHost
    private let shell: LaneShell
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
        let server = try LaneServer(configuration: lanes) { lease, bytes in
            relay.withLock { $0 }?.submit(.served(lease, bytes: bytes))
        }
        let digester = ChunkDigester(crc32c: DataPlaneKernels.crc32c, strong: SodiumDigests.blake2b256)
        let shell = try LaneShell(
            server: server, socketDirectory: lanes.hostSocketDirectory, digester: digester)
        let advertised = peer.advertisedHost ?? AdvertisedAddress.find(towards: peer.peers)
        var configuration = PeerConfiguration(
            presence: OwnPresence(name: peer.name, zone: peer.zone, host: HostIdentity.bootID),
            seeds: peer.peers + remembered(settings),
            lanes: peer.lanes)
        configuration.ledger.slots = peer.slots
        configuration.fanIn.stall = settings.stall
        configuration.laneOffers = offers(peer, server, advertised)
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

    private static func offers(_ peer: PeerSettings, _ server: LaneServer, _ advertised: String) -> [LaneOffer] {
        peer.lanes.compactMap { lane in
            switch lane {
            case .sharedMemory: server.socketName.map { LaneOffer(kind: lane, address: $0, port: 0) }
            case .tcp: LaneOffer(kind: lane, address: advertised, port: server.tcpPort)
            case .verbs, .ucx: nil
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
    /// - Parameter emit: told how it goes; called on threads of the sidecar.
    package func serve(
        path: String, name: String?, revision: String?, emit: @escaping @Sendable (JobEvent) -> Void
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
        let content = ServedContent(manifest: manifest)
        shell.registry.insert(
            ContentRegistry.Content(storages: folder, availability: .init(complete: manifest.layout)),
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
            try await pull(WantedModel(model: model), to: folder, options: PullOptions(), emit: emit)
        }
    }

    /// Pulls a model into a folder.
    ///
    /// - Parameter emit: told how it goes, `complete` or `failed` last; called on threads of the sidecar.
    package func pull(
        _ wanted: WantedModel, to directory: String, options: PullOptions,
        emit: @escaping @Sendable (JobEvent) -> Void
    ) async throws(SidecarError) {
        let id = PullID(
            nextPull.withLock { next in
                defer { next += 1 }
                return next
            })
        let (shell, host, trusts) = (self.shell, self.host, settings.trustsFabric)
        let outcome: Result<PullReport, SidecarError> = await withTaskCancellationHandler {
            await withCheckedContinuation { continuation in
                let job = PullJob(
                    id: id, model: wanted.model, directory: directory, integrity: trusts ? .crc : .full,
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

    /// Waits while others still read from us, for a bounded time: whoever began with us as a relay isn't cut off.
    package func lingerForReaders() async {
        let end = MonotonicClock.now() + Self.lingerLimit
        while MonotonicClock.now() < end, (try? await host.query { $0.slotsInUse }) ?? 0 > 0 {
            try? await Task.sleep(nanoseconds: Self.lingerCheck)
        }
    }

    // MARK: Views

    package func status() async -> StatusView? {
        let (program, endpoints, dataPort) = (settings.program, self.endpoints, self.dataPort)
        return try? await host.query {
            StatusView.of($0, program: program, state: "ok", endpoints: endpoints, dataPort: dataPort)
        }
    }

    package func peers() async -> [PeerView] {
        (try? await host.query { PeerView.all(of: $0, now: Self.now()) }) ?? []
    }

    package func sources() async -> [SourceView] {
        (try? await host.query { SourceView.all(of: $0, now: Self.now()) }) ?? []
    }

    private static func now() -> Moment { Moment(monotonic: MonotonicClock.now(), wall: WallClock.now()) }
}
