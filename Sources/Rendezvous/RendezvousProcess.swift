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

    package let settings: RendezvousSettings
    package let endpoints: Endpoints
    let host: PeerHost
    let store: SnapshotStore
    let watcher: MeshWatcher
    let views: ViewFeed
    /// Milliseconds since 1970.
    let started = WallClock.now()
    private let embedded: EmbeddedRedis?
    private let revocations: Task<Void, Never>
    private let sampling: Task<Void, Never>

    private init(
        settings: RendezvousSettings, host: PeerHost, store: SnapshotStore, embedded: EmbeddedRedis?,
        watcher: MeshWatcher, views: ViewFeed, endpoints: Endpoints
    ) {
        self.settings = settings
        self.host = host
        self.store = store
        self.embedded = embedded
        self.watcher = watcher
        self.views = views
        self.endpoints = endpoints
        sampling = Task { await watcher.run() }
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
        let token = try serverToken(peer)
        let (url, embedded) = try await openRedis(settings.store)
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
        let store = try openStore(url, cluster: token.anchor.cluster, host: host, keeper: keeper)
        do {
            let endpoints = try await host.start()
            await restore(store, into: host)
            return RendezvousProcess(
                settings: settings, host: host, store: store, embedded: embedded, watcher: watcher,
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
        _ url: RedisURL, cluster: ClusterID, host: PeerHost, keeper: StoreKeeper
    ) throws -> SnapshotStore {
        let store = try SnapshotStore(
            url: url, cluster: cluster, floorLife: UInt64(ValidityLimits.term + 2 * ValidityLimits.skew),
            onReconnected: {
                Task {
                    guard let changes = try? await host.query({ $0.everything() }) else { return }
                    keeper.refill(changes)
                }
            })
        keeper.attach(store)
        try store.start()
        return store
    }

    private static func restore(_ store: SnapshotStore, into host: PeerHost) async {
        let log = Log(component: "store")
        do throws(RedisError) {
            let records = try await store.load()
            let ordered = records.sorted { ($0.owner, $0.kind) < ($1.owner, $1.kind) }
            host.submit(.restored(ordered.map(\.frame)))
            log.info("read the store", [("records", ordered.count)])
        } catch {
            log.warning("the store can't be read: serving from memory", [("reason", "\(error)")])
        }
    }

    /// Keeps the list of neighbours for the next start, until the task is cancelled: a server that comes back to an empty
    /// Redis finds the mesh again.
    package func rememberNeighbours() async {
        let cache = settings.peer.state.serverPeerCache
        await NeighbourWatch.run(host) { cache.save($0) }
    }

    /// Takes up a join token that replaces ours, until the task is cancelled. With the root key at hand there is none.
    package func watchToken() async {
        guard access(settings.peer.state.rootKey, R_OK) != 0 else { return }
        let host = self.host
        await TokenWatch.run(path: settings.peer.tokenPath) { host.submit(.token($0)) }
    }

    /// Says goodbye, lets the last writes out, and ends Redis if it is ours.
    package func stop() async {
        revocations.cancel()
        sampling.cancel()
        await host.stop()
        _ = await store.flush(timeout: Self.flushLimit)
        await store.stop()
        await embedded?.stop()
    }

    // MARK: Views

    package func status() async -> StatusView? {
        let endpoints = self.endpoints
        let (word, sentence) = condition
        return try? await host.query {
            StatusView.of(
                $0, program: "modelexpress-server", state: word, endpoints: endpoints, dataPort: 0, store: sentence)
        }
    }

    /// The server's state in one word, and its store's in a sentence.
    var condition: (word: String, store: String) {
        switch store.state {
        case .connected: ("ok", "connected")
        case .disconnected(_, let reason): ("degraded", reason.map { "\($0)" } ?? "connecting")
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
