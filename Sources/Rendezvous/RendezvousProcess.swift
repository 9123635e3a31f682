import Configuration
import EventThread
import Glibc
package import LocalAPI
import Mesh
import MeshTransport
import PeerLogic
package import Records
import Signing
import SnapshotStore
import Telemetry
import Trust

/// One server: a peer on its thread, with a store.
package final class RendezvousProcess: MeshViews {
    /// How long the last writes have to reach Redis when the server ends.
    private static let flushLimit: Duration = .seconds(2)
    /// How often peers that agree are looked for while it is warming.
    private static let warmingLook: Duration = .milliseconds(200)

    package let settings: RendezvousSettings
    package let endpoints: Endpoints
    let host: PeerHost
    let store: SnapshotStore
    let watcher: MeshWatcher
    let views: ViewFeed
    let condition: ConditionKeeper
    let certificate: HTTPCertificate?
    /// Nil where no gRPC port is wanted, or none is built in.
    package let engines: EngineFace?
    /// Milliseconds since 1970.
    let started = WallClock.now()
    private let embedded: EmbeddedRedis?
    private let revocations: Task<Void, Never>
    private let sampling: Task<Void, Never>
    private let warming: Task<Void, Never>

    private init(
        settings: RendezvousSettings, host: PeerHost, store: SnapshotStore, embedded: EmbeddedRedis?,
        watcher: MeshWatcher, condition: ConditionKeeper, certificate: HTTPCertificate?, engines: EngineFace?,
        views: ViewFeed, endpoints: Endpoints
    ) {
        self.settings = settings
        self.host = host
        self.store = store
        self.embedded = embedded
        self.watcher = watcher
        self.condition = condition
        self.certificate = certificate
        self.engines = engines
        self.views = views
        self.endpoints = endpoints
        sampling = Task { await watcher.run() }
        warming = Task { await Self.warm(condition, host) }
        let file = settings.peer.state.revocations
        revocations = Task { await RevocationWatch.run(file: file) { host.submit(.revocation($0.encoded)) } }
    }

    /// Starts the store, joins the mesh, and takes up what the store still holds. Redis needn't be there: the server then
    /// serves from memory and fills Redis once it is.
    package static func start(_ settings: RendezvousSettings) async throws(RendezvousError) -> RendezvousProcess {
        do {
            return try await open(settings)
        } catch let error as RendezvousError {
            throw error
        } catch let error as ConfigurationError {
            if case .noToken = error { throw RendezvousError("\(error)", exitCode: ExitCodes.notFound) }
            throw RendezvousError("\(error)")
        } catch let error as TrustError {
            throw RendezvousError("the join token can't be used: \(error)", exitCode: ExitCodes.refused)
        } catch {
            throw RendezvousError("\(error)")
        }
    }

    private static func open(_ settings: RendezvousSettings) async throws -> RendezvousProcess {
        let peer = settings.peer
        try peer.state.create()
        if let kubernetes = settings.kubernetes, let name = kubernetes.keysSecret {
            let keys = KeysSecret(client: KubernetesClient(settings: kubernetes), name: name, state: peer.state)
            try await BlockingThread.run(name: "keys") { Result { try keys.obtain() } }.get()
        }
        let token = try serverToken(peer)
        let certificate = try settings.certificate.map { try HTTPCertificate($0) }
        let (url, embedded) = try await openRedis(settings.store)
        let condition = ConditionKeeper()
        let keeper = StoreKeeper()
        let watcher = MeshWatcher(keeper: keeper)
        let secrets = ProcessSecrets()
        let now = Moment(monotonic: MonotonicClock.now(), wall: WallClock.now())
        var configuration = PeerConfiguration(
            presence: OwnPresence(name: peer.name, zone: peer.zone, host: HostIdentity.bootID),
            seeds: peer.peers + peer.state.serverPeerCache.load().filter { !peer.peers.contains($0) },
            lanes: [])
        // A flash crowd asks here first, thousands at once.
        configuration.mesh.channels = 8_192
        configuration.mesh.wantsEverything = true
        let logic = try PeerLogic(
            configuration: configuration, token: token, secrets: secrets, verifier: Ed25519Verifier(),
            generator: SeededGenerator(seed: ProcessSecrets.seed()), now: now)
        let host = try PeerHost(
            configuration: PeerHostConfiguration(
                bindAddress: peer.bind,
                advertisedHost: peer.advertisedHost ?? AdvertisedAddress.find(towards: peer.peers),
                bootstrapPort: peer.ports.bootstrap, controlPort: peer.ports.control, gossipPort: peer.ports.gossip,
                ioThreads: 2, backlog: 4096),
            logic: logic, curveSecretKey: secrets.curveSecretKey, handler: watcher)
        let reader = StoreReader(host: host)
        let store = try openStore(
            url, cluster: token.anchor.cluster, host: host, keeper: keeper, reader: reader, condition: condition)
        do {
            let engines = try await EngineFace.start(
                settings.engines, address: peer.bind, url: url, cluster: token.anchor.cluster)
            let endpoints: Endpoints
            do {
                endpoints = try await host.start()
            } catch {
                await engines?.stop()
                throw error
            }
            // Thousands of signatures: nobody who asks for the server's health waits for them.
            Task {
                await reader.restoreOnce()
                condition.endReading()
            }
            return RendezvousProcess(
                settings: settings, host: host, store: store, embedded: embedded, watcher: watcher,
                condition: condition, certificate: certificate, engines: engines,
                views: ViewFeed(tagPrefix: logic.local.short), endpoints: endpoints)
        } catch {
            await store.stop()
            await embedded?.stop()
            throw error
        }
    }

    /// With the root key at hand the server makes its own token, in memory; otherwise it uses the one that it is given.
    private static func serverToken(_ peer: PeerSettings) throws -> TokenHolder {
        guard access(peer.state.rootKey, R_OK) == 0 else {
            let token = try TokenFile.load(peer.tokenPath)
            if !token.grant.value.roles.contains(.server) {
                Log(component: "server").warning(
                    "the join token has no role server; make one with `modelexpress keys token --roles server,relay,reader`",
                    [("token.file", peer.tokenPath)])
            }
            return token
        }
        let root = try ClusterKeyFiles.load(from: peer.state)
        let now = WallClock.now()
        let text = TokenFile.make(
            root: root, roles: [.server, .reader, .relay], modelPrefixes: [""],
            certificateLife: ValidityLimits.certificate, notBefore: now - ValidityLimits.skew,
            notAfter: now + 365 * ValidityLimits.certificate)
        return try TokenFile.decode(text, path: peer.state.rootKey)
    }

    private static func openRedis(
        _ store: RendezvousSettings.Store
    ) async throws -> (url: RedisURL, embedded: EmbeddedRedis?) {
        switch store {
        case .redis(let text): return (try RedisURL(parsing: text), nil)
        case .embedded(let folder):
            let redis = try await EmbeddedRedis.start(in: folder)
            return (redis.url, redis)
        }
    }

    private static func openStore(
        _ url: RedisURL, cluster: ClusterID, host: PeerHost, keeper: StoreKeeper, reader: StoreReader,
        condition: ConditionKeeper
    ) throws -> SnapshotStore {
        let store = try SnapshotStore(
            url: url, cluster: cluster, floorLife: UInt64(ValidityLimits.term + 2 * ValidityLimits.skew),
            onStateChange: { condition.take(store: $0) },
            onReconnected: {
                Task {
                    // Revocations, above all, may be known to nobody else.
                    await reader.restoreOnce()
                    guard let changes = try? await host.query({ $0.everything() }) else { return }
                    keeper.refill(changes)
                }
            })
        keeper.attach(store)
        reader.attach(store)
        try store.start()
        return store
    }

    /// Keeps the list of neighbours for the next start, until the task is cancelled: a server that comes back to an empty
    /// Redis finds the mesh again.
    package func rememberNeighbours() async {
        let cache = settings.peer.state.serverPeerCache
        await NeighbourWatch.run(host) { cache.save($0) }
    }

    /// Keeps the Secret with which pods join, where there is Kubernetes and the root key is at hand, until the task is cancelled.
    package func keepJoinSecret() async {
        guard let kubernetes = settings.kubernetes else { return }
        guard access(settings.peer.state.rootKey, R_OK) == 0,
            let root = try? ClusterKeyFiles.load(from: settings.peer.state)
        else {
            Log(component: "join-secret").info(
                "the join Secret is not kept, since the root key is not here",
                [("secret", kubernetes.secret), ("file", settings.peer.state.rootKey)])
            return
        }
        await JoinSecretKeeper(kubernetes, root: root).run()
    }

    /// Takes up files that replace ours, until the task is cancelled: the join token (with the root key at hand there is none), and
    /// the certificate of the HTTP port.
    package func watchFiles() async {
        await withTaskGroup(of: Void.self) { group in
            if let certificate { group.addTask { await certificate.watch() } }
            if access(settings.peer.state.rootKey, R_OK) != 0 {
                let (host, path) = (self.host, settings.peer.tokenPath)
                group.addTask { await TokenWatch.run(path: path) { host.submit(.token($0)) } }
            }
        }
    }

    /// Tells everybody who asks that the server leaves; `stop` follows.
    package func drain() {
        condition.drain()
        engines?.drain()
    }

    /// Looks for peers that hold the same, until there are enough of them or it has taken too long.
    private static func warm(_ condition: ConditionKeeper, _ host: PeerHost) async {
        while !Task.isCancelled, !condition.isWarm {
            if let peers = try? await host.query({ $0.mesh.agreeingPeers }) { condition.take(agreeing: peers) }
            try? await Task.sleep(for: warmingLook)
        }
    }

    /// Says goodbye, lets the last writes out, and ends Redis if it is ours.
    package func stop() async {
        revocations.cancel()
        sampling.cancel()
        warming.cancel()
        async let engines: Void? = engines?.stop()
        await host.stop()
        _ = await engines
        _ = await store.flush(timeout: Self.flushLimit)
        await store.stop()
        await embedded?.stop()
    }

    // MARK: Views

    package func status() async -> StatusView? {
        let endpoints = self.endpoints
        let (word, sentence) = (condition.report.state.rawValue, condition.storeSentence)
        return try? await host.query {
            StatusView.of(
                $0, program: "modelexpress-server", state: word, endpoints: endpoints, dataPort: 0, store: sentence)
        }
    }

    package func peers() async -> [PeerView] {
        (try? await host.query { PeerView.all(of: $0, now: Self.now()) }) ?? []
    }

    package func sources() async -> [SourceView] {
        (try? await host.query { SourceView.all(of: $0, now: Self.now()) }) ?? []
    }

    static func now() -> Moment { Moment(monotonic: MonotonicClock.now(), wall: WallClock.now()) }
}
