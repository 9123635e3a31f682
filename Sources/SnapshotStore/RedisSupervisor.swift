import CLinux
import EventThread
import Glibc
import Synchronization
import Telemetry

/// What an `EmbeddedRedis` does on its thread, which made all children and so must outlive them. It waits by polling in
/// small steps, since starting and ending are rare and nothing else happens on the thread.
final class RedisSupervisor {
    private let folder: RedisDataFolder
    private let program: String
    private let thread: EventThread
    private let shared: EmbeddedRedisState
    private let restarts: Counter
    private let log = Log(component: "embedded-redis")
    private var process: RedisProcess?
    private var backoff = Backoff(shortest: 100_000_000, longest: 5_000_000_000)
    private var startedAt: UInt64 = 0
    private var isWatching = false

    init(
        folder: RedisDataFolder, program: String, thread: EventThread, shared: EmbeddedRedisState, metrics: Metrics
    ) {
        self.folder = folder
        self.program = program
        self.thread = thread
        self.shared = shared
        restarts = metrics.counter(
            "modelexpress_embedded_redis_restarts_total", help: "How often the embedded Redis had to be started again.")
    }

    /// Starts a child and returns when it answers, or is still reading its data.
    func start() throws(EmbeddedRedisError) {
        let output = try claimOutput()
        defer { close(output) }
        folder.rotateLog()
        let process = try RedisProcess(program: program, arguments: arguments, output: output)
        do throws(EmbeddedRedisError) {
            try waitUntilReady(process)
        } catch {
            end(process)
            throw error
        }
        self.process = process
        shared.processID.store(process.processID, ordering: .relaxed)
        startedAt = MonotonicClock.now()
        thread.register(descriptor: process.pipe, events: .readable) { [self] events in
            process.drain()
            // Its descriptors close a moment before it can be waited for, and the pipe stays readable.
            if events.contains(.hangup), !checkChild() { wait() }
        }
        if !isWatching { watch() }
        log.info("started redis-server", [("process.id", process.processID), ("folder", folder.path)])
    }

    /// Ends the child, if there is one, waits for it, and frees the folder.
    func stop() {
        defer { folder.unlock() }
        guard let process else { return }
        forget(process)
        end(process)
        log.info("stopped redis-server", [("process.id", process.processID)])
    }

    private var arguments: [String] {
        [
            "--port", "0", "--unixsocket", folder.socket, "--unixsocketperm", "700", "--daemonize", "no",
            "--dir", folder.path, "--appendonly", "yes", "--appendfsync", "everysec", "--save", "",
            "--logfile", folder.log, "--loglevel", "notice",
        ]
    }

    /// Waits until no child of an earlier run has the folder open; asks it to end, then ends it.
    private func claimOutput() throws(EmbeddedRedisError) -> Int32 {
        let begin = MonotonicClock.now()
        var lastSignal: Int32 = 0
        while true {
            if let output = try folder.openOutput() { return output }
            let waited = MonotonicClock.now() - begin
            guard waited < 2 * EmbeddedRedis.stopTimeout else { throw .leftover(folder: folder.path) }
            let signal = waited < EmbeddedRedis.stopTimeout ? SIGTERM : SIGKILL
            if signal != lastSignal { folder.signalLeftover(signal) }
            lastSignal = signal
            try pause()
        }
    }

    private func waitUntilReady(_ process: RedisProcess) throws(EmbeddedRedisError) {
        let deadline = MonotonicClock.now() + EmbeddedRedis.startTimeout
        while true {
            if let end = process.poll() { throw .ended(how: end, output: folder.lastWords(), log: folder.log) }
            let answer = ask()
            if answer == .ready { return }
            if MonotonicClock.now() >= deadline {
                guard answer == .loading else {
                    throw .silent(seconds: Int(EmbeddedRedis.startTimeout / 1_000_000_000), log: folder.log)
                }
                // Killing it would only begin the reading anew; whoever connects waits for it.
                return log.notice("redis-server is still reading its data", [("folder", folder.path)])
            }
            try pause()
        }
    }

    private enum Answer {
        case ready
        case loading
        case none
    }

    private func ask() -> Answer {
        do throws(RedisError) {
            let connection = try RedisConnection(RedisURL(endpoint: .unixSocket(path: folder.socket)))
            _ = try connection.command(["PING"])
            return .ready
        } catch {
            if case .refused(let refusal) = error, refusal.code == "LOADING" { return .loading }
            return .none
        }
    }

    /// A process that the child forked to write its file anew may keep the pipe open after the child's end.
    private func watch() {
        isWatching = true
        thread.schedule(after: EmbeddedRedis.watchInterval) { [self] in
            checkChild()
            watch()
        }
    }

    /// Whether the child was found dead.
    @discardableResult
    private func checkChild() -> Bool {
        guard let process, let end = process.poll() else { return false }
        forget(process)
        log.error("redis-server \(end); it will be started again", [("output", folder.lastWords())])
        if MonotonicClock.now() - startedAt > EmbeddedRedis.steadyTime { backoff.reset() }
        scheduleRestart()
        return true
    }

    private func scheduleRestart() {
        thread.schedule(after: backoff.next()) { [self] in
            guard !shared.isStopping.load(ordering: .relaxed) else { return }
            restarts.increment()
            do throws(EmbeddedRedisError) {
                try start()
            } catch {
                log.error("redis-server could not be started again", [("reason", error)])
                scheduleRestart()
            }
        }
    }

    private func forget(_ process: RedisProcess) {
        thread.unregister(descriptor: process.pipe)
        self.process = nil
        shared.processID.store(0, ordering: .relaxed)
    }

    /// SIGTERM makes Redis write and sync its file; SIGKILL follows when it doesn't end.
    private func end(_ process: RedisProcess) {
        let begin = MonotonicClock.now()
        process.send(SIGTERM)
        var isKilled = false
        while process.poll() == nil {
            if !isKilled, MonotonicClock.now() - begin > EmbeddedRedis.stopTimeout {
                log.warning("redis-server doesn't end and is killed", [("process.id", process.processID)])
                process.send(SIGKILL)
                isKilled = true
            }
            wait()
        }
    }

    private func pause() throws(EmbeddedRedisError) {
        if shared.isStopping.load(ordering: .relaxed) { throw .stopped }
        wait()
    }

    private func wait() { usleep(EmbeddedRedis.stepMicroseconds) }
}
