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
        let signals = try TerminationSignals()
        let renderer = JobRenderer(json: arguments.json)
        let program = try await PeerProgram.start(peer, integrity: nil)
        let job = Task { try await program.serve(arguments, renderer) }
        let ending = Task {
            _ = await signals.wait()
            job.cancel()
        }
        let outcome = await job.result
        renderer.finish()
        if case .success = outcome { await ending.value }
        await program.stop()
        try outcome.get()
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
        let signals = try TerminationSignals()
        let renderer = JobRenderer(json: arguments.json)
        let program = try await PeerProgram.start(peer, integrity: arguments.integrity?.rawValue)
        let job = Task { try await program.pull(arguments, renderer) }
        let ending = Task {
            _ = await signals.wait()
            job.cancel()
        }
        let outcome = await job.result
        renderer.finish()
        if case .success = outcome {
            // Whoever began to read from us is not cut off; --serve goes on until it is told to end.
            if arguments.serve { await ending.value } else { await program.sidecar.lingerForReaders() }
        }
        await program.stop()
        try outcome.get()
    }
}

/// A peer that lives as long as one command.
struct PeerProgram {
    let sidecar: SidecarProcess
    private let local: LocalServer?

    static func start(_ options: PeerOptions, integrity: String?) async throws -> PeerProgram {
        let environment = Environment.current()
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
            let local = try? LocalServer(
                path: settings.peer.state.commandSocket, handler: SidecarRequests(sidecar))
            return PeerProgram(sidecar: sidecar, local: local)
        } catch { throw ExitError(code: error.exitCode, message: error.description) }
    }

    func serve(_ arguments: ServeArguments, _ renderer: JobRenderer) async throws {
        do {
            try await sidecar.serve(
                path: arguments.path, name: arguments.name, revision: arguments.revision
            ) { renderer.show($0) }
        } catch { throw ExitError(code: error.exitCode, message: error.description) }
    }

    func pull(_ arguments: PullArguments, _ renderer: JobRenderer) async throws {
        var options = PullOptions()
        options.wait = arguments.wait.map { UInt64($0.milliseconds) * Duration64.millisecond }
        options.lane = arguments.lane.flatMap { LaneKind(word: $0.rawValue) }
        let wanted = WantedModel(model: arguments.model, revision: arguments.revision)
        do {
            try await sidecar.pull(wanted, to: arguments.directory, options: options) { renderer.show($0) }
        } catch { throw ExitError(code: error.exitCode, message: error.description) }
    }

    func stop() async {
        local?.stop()
        await sidecar.stop()
    }
}

extension JobRenderer {
    convenience init(json: Bool) {
        self.init(style: Self.style(json: json, terminal: .standardOutput(.current())))
    }
}
