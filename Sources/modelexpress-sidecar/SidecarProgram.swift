import ArgumentParser
import CommandLine
import Configuration
import EventThread
import HTTPFace
import LocalAPI
import PeerLogic
import Records
import Sidecar
import Telemetry
import Transfer

/// The daemon beside an engine: serves folders, pulls models, and goes on serving what it pulled.
@main
struct SidecarProgram: AsyncParsableCommand {
    /// How long a failed pull waits before it is tried again, nanoseconds: doubled up to the last.
    private static let firstRetry: UInt64 = 1_000_000_000
    private static let lastRetry: UInt64 = 30_000_000_000

    static let configuration = CommandConfiguration(
        commandName: "modelexpress-sidecar",
        abstract: "A peer of a ModelExpress mesh: source, target or both.",
        discussion: """
            Serve a checkpoint:           modelexpress-sidecar --serve /models/llama
            Fill a folder from the mesh:  modelexpress-sidecar --pull llama=/models/llama
            Beside a vLLM engine:         MX_ZMQ_ADDRESS=ipc:///tmp/mx/vllm.sock modelexpress-sidecar

            A folder that was pulled is served on. `modelexpress status`, `peers` and `sources` ask this process through its
            local socket in the state folder.
            """,
        version: Release.version)

    @OptionGroup(title: "Peer") var peer: PeerOptions

    @Option(help: "A checkpoint folder to serve, or NAME=FOLDER (repeatable; MX_SERVE, separated by commas).")
    var serve: [String] = []

    @Option(help: "A model to fill a folder with, as MODEL=FOLDER (repeatable; MX_PULL, separated by commas).")
    var pull: [String] = []

    @Option(
        help: "Port of /healthz, /readyz, /metrics and /api/v1 (MX_HTTP_PORT; default 8016, 0: the system chooses).")
    var httpPort: Int?

    @Option(help: "full, or crc for a trusted fabric (MX_INTEGRITY; default full).")
    var integrity: String?

    static func main() async { await runMain(Self.self) }

    func run() async throws {
        let signals = try TerminationSignals()
        let environment = Environment.current()
        var settings = SidecarSettings(
            peer: try PeerSettings.resolve(
                peer.flags, environment: environment, ports: .sidecar, defaultPeers: [PeerSettings.defaultPeer],
                usesStateForLanes: false), program: "modelexpress-sidecar")
        settings.remembersPeers = true
        try settings.resolve(integrity: integrity, environment: environment)
        Log.configure(level: settings.peer.logLevel, format: settings.peer.logFormat, program: settings.program)
        let folders = try FolderJob.all(serve, "MX_SERVE", environment)
        let pulls = try FolderJob.all(pull, "MX_PULL", environment)
        let log = Log(component: "sidecar")
        let sidecar: SidecarProcess
        do {
            sidecar = try await SidecarProcess.start(settings)
        } catch { throw ExitError(code: error.exitCode, message: error.description) }
        let http = try await sidecar.startHTTP(flag: httpPort, environment: environment)
        let local = try LocalServer(path: settings.peer.state.sidecarSocket, handler: SidecarRequests(sidecar))
        log.info(
            "ready",
            [
                ("bootstrap", "\(sidecar.endpoints.host):\(sidecar.endpoints.bootstrapPort)"),
                ("data.port", Int(sidecar.dataPort)), ("http.port", http.map { "\($0.port)" } ?? "none"),
                ("state.dir", settings.peer.state.path),
            ])
        await withDiscardingTaskGroup { group in
            group.addTask { await sidecar.rememberNeighbours() }
            group.addTask { await sidecar.watchToken() }
            if let engines = settings.engines { group.addTask { await EngineWatch.run(sidecar, engines) } }
            for job in folders {
                group.addTask { await Self.serve(job, sidecar, log) }
            }
            for job in pulls {
                group.addTask { await Self.pull(job, sidecar, log) }
            }
            let signal = await signals.wait()
            log.info("leaving", [("signal", Int(signal))])
            await Self.drain(sidecar, signals)
            group.cancelAll()
        }
        local.stop()
        await http?.stop()
        await sidecar.stop()
    }

    /// Until nobody reads from us any more, or a second signal says that it is enough.
    private static func drain(_ sidecar: SidecarProcess, _ signals: TerminationSignals) async {
        let draining = Task { await sidecar.drain() }
        let impatience = Task {
            _ = await signals.wait()
            draining.cancel()
        }
        await draining.value
        impatience.cancel()
    }

    private static func serve(_ job: FolderJob, _ sidecar: SidecarProcess, _ log: Log) async {
        do {
            try await sidecar.serve(path: job.folder, name: job.name, revision: nil) { JobLog.write($0, to: log) }
        } catch {
            // Whoever is told to leave has not failed.
            guard !Task.isCancelled else { return }
            log.error("a folder can't be served", [("folder", job.folder), ("reason", error.description)])
        }
    }

    private static func pull(_ job: FolderJob, _ sidecar: SidecarProcess, _ log: Log) async {
        var pause = firstRetry
        while !Task.isCancelled {
            do {
                return try await sidecar.fill(job.folder, model: job.name ?? "") { JobLog.write($0, to: log) }
            } catch {
                guard !Task.isCancelled else { return }
                let values: [Log.Field] = [
                    ("model", job.name ?? ""), ("folder", job.folder), ("reason", error.description),
                ]
                guard !error.isFinal else { return log.error("given up", values) }
                log.warning("a pull failed and is tried again", values + [("seconds", pause / 1_000_000_000)])
            }
            try? await Task.sleep(nanoseconds: pause)
            pause = min(2 * pause, lastRetry)
        }
    }
}
