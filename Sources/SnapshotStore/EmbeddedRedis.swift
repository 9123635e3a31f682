import EventThread
import Synchronization
package import Telemetry

/// A private redis-server child for a first try: it listens on a Unix socket in the data folder only, keeps an append-only
/// file there (synced each second), is started again when it dies, and dies with this process, even on SIGKILL.
///
/// No `maxmemory` is set: Redis holds what the mesh's records need, which all expire, and up to twice that for a moment
/// while it writes its file anew. Count that in when this process's container gets its memory limit.
package final class EmbeddedRedis: Sendable {
    /// Until a child must answer, in nanoseconds. One that still reads its data by then counts as started.
    package static let startTimeout: UInt64 = 10_000_000_000
    /// Between SIGTERM and SIGKILL, in nanoseconds.
    package static let stopTimeout: UInt64 = 3_000_000_000
    /// A child that ran for so long is started again at once when it dies, in nanoseconds.
    static let steadyTime: UInt64 = 30_000_000_000
    /// How often a child is looked at, beside being noticed by its pipe, in nanoseconds.
    static let watchInterval: UInt64 = 1_000_000_000
    /// One step of waiting for a child.
    static let stepMicroseconds: UInt32 = 10_000

    /// Where it listens.
    package let url: RedisURL
    private let thread: EventThread
    private let shared: EmbeddedRedisState
    // Confined to the thread: it is touched only in work posted to it.
    nonisolated(unsafe) private let supervisor: RedisSupervisor

    /// Locks the folder, which is made if there is none (mode 0700), and starts a child in it. Returns when it answers.
    ///
    /// - Parameters:
    ///   - folder: holds `redis.sock`, `redis.log`, two lock files and the append-only file. One server at a time.
    ///   - program: looked up in PATH.
    package static func start(
        in folder: String, program: String = "redis-server", metrics: Metrics = .shared
    ) async throws(EmbeddedRedisError) -> EmbeddedRedis {
        let redis = try EmbeddedRedis(folder: folder, program: program, metrics: metrics)
        do {
            try await redis.thread.perform { try redis.supervisor.start() }
        } catch {
            await redis.stop()
            throw error as? EmbeddedRedisError ?? .stopped
        }
        return redis
    }

    private init(folder: String, program: String, metrics: Metrics) throws(EmbeddedRedisError) {
        let locked = try RedisDataFolder(folder)
        url = RedisURL(endpoint: .unixSocket(path: locked.socket))
        shared = EmbeddedRedisState()
        do throws(EventThreadError) {
            thread = try EventThread(name: "embedded-redis")
            supervisor = RedisSupervisor(
                folder: locked, program: program, thread: thread, shared: shared, metrics: metrics)
            try thread.run()
        } catch {
            throw .thread(error)
        }
    }

    /// The child's number; nil while there is none.
    package var processID: Int32? {
        let number = shared.processID.load(ordering: .relaxed)
        return number > 0 ? number : nil
    }

    /// Ends the child (SIGTERM, then SIGKILL) and frees the folder. Returns when the child is gone. Again does nothing.
    package func stop() async {
        shared.isStopping.store(true, ordering: .relaxed)
        await withCheckedContinuation { continuation in
            let isPosted = thread.post { [self] in
                supervisor.stop()
                thread.stop()
                continuation.resume()
            }
            if !isPosted { continuation.resume() }
        }
    }
}

/// What the supervisor's thread shows to others.
final class EmbeddedRedisState: Sendable {
    let isStopping = Atomic(false)
    /// 0 while there is no child.
    let processID = Atomic<Int32>(0)
}
