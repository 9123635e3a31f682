import Configuration
import EnginePool
import EventThread
import LocalAPI
import PublicAPI
import Records
import SnapshotStore
import Telemetry

/// The public gRPC API of a server: its port, its pool, and the pool's store. Without the trait GRPC there is none, and it says so.
package final class EngineFace: Sendable {
    /// How long the pool's last writes have to reach Redis when the server ends.
    private static let flushLimit = Duration.seconds(2)

    #if GRPC
    private struct Parts: Sendable {
        let keeper: PoolKeeper
        let store: PoolStore
        let server: PublicServer
        let tasks: [Task<Void, Never>]
    }

    private let parts: Parts
    private let isSecured: Bool

    private init(_ parts: Parts, isSecured: Bool) {
        self.parts = parts
        self.isSecured = isSecured
    }

    /// Opens the port; nil where none is wanted.
    static func start(
        _ settings: EngineSettings, address: String, url: RedisURL, cluster: ClusterID, metrics: Metrics = .shared
    ) async throws -> EngineFace? {
        guard let port = settings.port else { return nil }
        let keeper = PoolKeeper(
            limits: settings.limits, timeouts: settings.timeouts, describe: { PublishedBody.publication(of: $0) })
        let (authority, file) = try authority(settings, metrics)
        let store = try keeper.keep { try PoolStore(url: url, cluster: cluster, metrics: metrics, callbacks: $0) }
        show(keeper, metrics)
        let server: PublicServer
        do {
            server = try await PublicServer.start(
                PublicServer.Configuration(
                    address: address, port: port,
                    certificate: settings.certificate.map { ($0.certificate, $0.key) }, limits: settings.calls),
                port: keeper, authority: authority, metrics: metrics)
        } catch {
            await store.stop()
            throw error
        }
        var tasks = [Task { await keeper.sweep() }]
        if let file { tasks.append(Task { await file.watch() }) }
        tell(settings, server.port, isSecured: authority != nil)
        return EngineFace(
            Parts(keeper: keeper, store: store, server: server, tasks: tasks), isSecured: authority != nil)
    }

    private static func authority(
        _ settings: EngineSettings, _ metrics: Metrics
    ) throws -> (authority: (any CallerAuthority)?, file: TokenFileCallers?) {
        let file = try settings.tokenFile.map { path throws(ConfigurationError) in try TokenFileCallers(path: path) }
        let review = try settings.review.map { review throws(EventThreadError) in
            try TokenReviewCallers(review, metrics: metrics)
        }
        switch (file, review) {
        case (let file?, let review?): return (FirstThatKnows(file: file, review: review), file)
        case (let file?, nil): return (file, file)
        case (nil, let review?): return (review, nil)
        case (nil, nil): return (nil, nil)
        }
    }

    private static func tell(_ settings: EngineSettings, _ port: UInt16, isSecured: Bool) {
        let log = Log(component: "grpc")
        log.info(
            "the public gRPC API is open to engines", [("port", Int(port)), ("tls", settings.certificate != nil)])
        if !isSecured {
            log.warning(
                "ANYBODY who reaches the gRPC port can publish, change and remove every engine's records: callers are not asked who "
                    + "they are. Set MX_GRPC_TOKEN_FILE, or MODEL_EXPRESS_SECURITY_MODE=enforce in Kubernetes",
                [("port", Int(port))])
        } else if settings.certificate == nil {
            log.warning(
                "callers show their tokens in the clear on the gRPC port; set MX_GRPC_TLS_CERTIFICATE and MX_GRPC_TLS_KEY, or "
                    + "use it on a network that nobody listens to", [("port", Int(port))])
        }
    }

    private static func show(_ keeper: PoolKeeper, _ metrics: Metrics) {
        for status in PoolStatus.allCases {
            metrics.gauge(
                "modelexpress_grpc_pool_workers", help: "Ranks of workers in the gRPC pool, by their state.",
                labels: [("state", "\(status)")]
            ) { Double(keeper.tally.byStatus[status] ?? 0) }
        }
        metrics.gauge("modelexpress_grpc_pool_models", help: "Models in the gRPC pool.") {
            Double(keeper.tally.models)
        }
        metrics.gauge("modelexpress_grpc_pool_bytes", help: "Bytes that the workers of the gRPC pool published.") {
            Double(keeper.tally.bytes)
        }
    }

    package var port: UInt16? { parts.server.port }

    var overview: OverviewPool {
        let tally = parts.keeper.tally
        return OverviewPool(
            isPresent: true, port: Int(parts.server.port), asksCallers: isSecured, workers: tally.workers,
            ready: tally.byStatus[.ready] ?? 0, stale: tally.byStatus[.stale] ?? 0, models: tally.models,
            bytes: UInt64(tally.bytes), isStored: parts.store.isConnected)
    }

    /// Tells health watchers that the server leaves.
    func drain() { parts.server.drain() }

    /// Closes the port, and lets the last writes out.
    func stop() async {
        for task in parts.tasks { task.cancel() }
        await parts.server.stop()
        _ = await parts.store.flush(timeout: Self.flushLimit)
        await parts.store.stop()
    }
    #else
    static func start(
        _ settings: EngineSettings, address: String, url: RedisURL, cluster: ClusterID, metrics: Metrics = .shared
    ) async throws -> EngineFace? {
        Log(component: "grpc").info(
            "this server is built without the public gRPC API (trait GRPC): it serves the mesh alone")
        return nil
    }

    package var port: UInt16? { nil }
    var overview: OverviewPool { OverviewPool(isPresent: false) }
    func drain() {}
    func stop() async {}
    #endif
}
