import ArgumentParser
import CommandLine
import Configuration
import EventThread
import HTTPFace
import LocalAPI
import Records
import Rendezvous
import Telemetry

/// The rendezvous: one peer of the mesh with a store, that newcomers ask first.
@main
struct ServerProgram: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "modelexpress-server",
        abstract: "Admits peers to a ModelExpress mesh and keeps its snapshot in Redis.",
        discussion: """
            A first try, with a Redis of its own:  modelexpress-server --embedded-redis
            With a Redis that you run:             REDIS_URL=redis://redis:6379 modelexpress-server

            The keys come from `modelexpress keys init`. Without Redis the server serves from memory and says so.
            """,
        version: Release.version)

    @OptionGroup(title: "Peer") var peer: PeerOptions

    @Flag(help: "Start a private redis-server, with its data in --data-dir.")
    var embeddedRedis = false

    @Option(help: "Redis to keep the snapshot in (REDIS_URL; default \(RendezvousSettings.defaultRedisURL)).")
    var redisURL: String?

    @Option(help: "Folder of the embedded Redis (MX_DATA_DIR; default redis in the state folder).")
    var dataDir: String?

    @Option(
        help: "Port of /healthz, /readyz, /metrics and /api/v1 (MX_HTTP_PORT; default 8080, 0: the system chooses).")
    var httpPort: Int?

    @Option(
        name: .customLong("grpc-port"),
        help: ArgumentHelp(
            "Port of the public gRPC API (MX_GRPC_PORT; default 8001, 0: the system chooses, none: not wanted).",
            valueName: "port"))
    var grpcPort: String?

    @Option(
        name: .customLong("http-tls-certificate"),
        help: ArgumentHelp(
            "PEM file with the certificate of the HTTP port (MX_HTTP_TLS_CERTIFICATE; default none: plain HTTP).",
            valueName: "file"))
    var tlsCertificate: String?

    @Option(
        name: .customLong("http-tls-key"),
        help: ArgumentHelp("PEM file with its private key (MX_HTTP_TLS_KEY).", valueName: "file"))
    var tlsKey: String?

    static func main() async { await runMain(Self.self) }

    func run() async throws {
        let signals = try TerminationSignals()
        let environment = Environment.current()
        let settings = try PeerSettings.resolve(
            peer.flags, environment: environment, ports: .server, defaultPeers: [], usesStateForLanes: false)
        Log.configure(level: settings.logLevel, format: settings.logFormat, program: "modelexpress-server")
        let log = Log(component: "server")
        let server: RendezvousProcess
        do {
            server = try await RendezvousProcess.start(
                try RendezvousSettings(
                    peer: settings, usesEmbeddedRedis: embeddedRedis, redisURL: redisURL, dataFolder: dataDir,
                    httpPort: httpPort, tlsCertificate: tlsCertificate, tlsKey: tlsKey, grpcPort: grpcPort,
                    environment: environment))
        } catch let error as RendezvousError {
            throw ExitError(code: error.exitCode, message: error.description)
        }
        let faces: (http: HTTPFace, local: LocalServer)
        do {
            faces = (
                try await HTTPFace.start(server.httpConfiguration, content: server.httpContent()),
                try LocalServer(path: settings.state.serverSocket, handler: RendezvousRequests(server))
            )
        } catch {
            await server.stop()
            throw error
        }
        log.info(
            "ready",
            [
                ("bootstrap", "\(server.endpoints.host):\(server.endpoints.bootstrapPort)"),
                ("http.port", Int(faces.http.port)), ("grpc.port", server.engines?.port.map { "\($0)" } ?? "none"),
                ("state.dir", settings.state.path),
            ])
        let remembering = Task { await server.rememberNeighbours() }
        let watching = Task { await server.watchFiles() }
        let joining = Task { await server.keepJoinSecret() }
        let signal = await signals.wait()
        log.info("leaving", [("signal", Int(signal))])
        remembering.cancel()
        watching.cancel()
        joining.cancel()
        // Who asks for its health meanwhile is told that it drains.
        server.drain()
        faces.local.stop()
        await server.stop()
        await faces.http.stop()
    }
}
