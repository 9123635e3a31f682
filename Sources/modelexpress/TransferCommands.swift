import ArgumentParser
import CommandLine
import Configuration
import EventThread
import LocalAPI
import PeerLogic
import Records
import Sidecar
import Telemetry
import Transfer

/// Offers a folder to the mesh, until it is told to end.
struct ServeCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "serve", abstract: "Offer a checkpoint folder to the mesh.", discussion: ServeArguments.discussion)

    @OptionGroup var arguments: ServeArguments
    @OptionGroup(title: "Peer") var peer: PeerOptions

    func run() async throws {
        let renderer = JobRenderer(json: arguments.json)
        let program = try await PeerProgram.start(peer, integrity: nil)
        try await program.run(renderer, staysUntilSignal: true) { try await program.serve(arguments, renderer) }
    }
}

/// Fills a folder from the mesh.
struct PullCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "pull", abstract: "Fill a folder with a model that peers offer.",
        discussion: PullArguments.discussion)

    @OptionGroup var arguments: PullArguments
    @OptionGroup(title: "Peer") var peer: PeerOptions

    func run() async throws {
        let renderer = JobRenderer(json: arguments.json)
        let report = try arguments.report.map(ReportFile.init(path:))
        let program = try await PeerProgram.start(peer, integrity: arguments.integrity?.rawValue)
        try await program.run(renderer, staysUntilSignal: arguments.serve) {
            try await program.pull(arguments, renderer, report)
        }
    }
}

/// A peer that lives as long as one command.
struct PeerProgram {
    let sidecar: SidecarProcess
    private let local: LocalServer?
    private let signals: TerminationSignals

    static func start(_ options: PeerOptions, integrity: String?) async throws -> PeerProgram {
        let (signals, environment) = (try TerminationSignals(), Environment.current())
        var settings = SidecarSettings(
            peer: try PeerSettings.resolve(
                options.flags, environment: environment, ports: .ephemeral, defaultPeers: [PeerSettings.defaultPeer],
                usesStateForLanes: true, defaultLogLevel: .error), program: "modelexpress")
        try settings.resolve(integrity: integrity, environment: environment)
        Log.configure(level: settings.peer.logLevel, format: settings.peer.logFormat, program: settings.program)
        do {
            let sidecar = try await SidecarProcess.start(settings)
            // `modelexpress peers` and `sources` find this process by its socket; without one it still does its work.
            settings.peer.state.removeDeadCommandSockets()
            let local = try? LocalServer(path: settings.peer.state.commandSocket, handler: SidecarRequests(sidecar))
            return PeerProgram(sidecar: sidecar, local: local, signals: signals)
        } catch { throw ExitError(code: error.exitCode, message: error.description) }
    }

    func serve(_ arguments: ServeArguments, _ renderer: JobRenderer) async throws {
        do {
            try await sidecar.serve(
                path: arguments.path, name: arguments.name, revision: arguments.revision, inMemory: arguments.inMemory
            ) { renderer.show($0) }
        } catch { throw ExitError(code: error.exitCode, message: error.description) }
    }

    func pull(_ arguments: PullArguments, _ renderer: JobRenderer, _ report: ReportFile?) async throws {
        var options = PullOptions()
        options.wait = arguments.wait.map { UInt64($0.milliseconds) * Duration64.millisecond }
        options.lane = arguments.lane.flatMap { LaneKind(word: $0.rawValue) }
        let (stage, rank) = (arguments.stage?.stage ?? .files, arguments.rank)
        let wanted = WantedModel(model: arguments.model, revision: arguments.revision, rank: rank, stage: stage)
        do {
            let memory: PullPlace = arguments.inMemory ? .memory(isPopulated: arguments.populate) : .nowhere
            let place = arguments.directory.map(PullPlace.folder) ?? memory
            try await sidecar.pull(wanted, to: place, options: options) { event in
                renderer.show(event)
                report?.take(event)
            }
        } catch { throw ExitError(code: error.exitCode, message: error.description) }
    }

    /// Runs a job, which a signal cancels; then goes on serving until a signal, or until nobody reads from us any more.
    func run(
        _ renderer: JobRenderer, staysUntilSignal: Bool, job: @escaping @Sendable () async throws -> Void
    ) async throws {
        let running = Task { try await job() }
        let ending = Task {
            _ = await signals.wait()
            running.cancel()
        }
        let outcome = await running.result
        renderer.finish()
        if case .success = outcome {
            if staysUntilSignal { await ending.value } else { await sidecar.lingerForReaders() }
        }
        local?.stop()
        await sidecar.stop()
        try outcome.get()
    }
}
