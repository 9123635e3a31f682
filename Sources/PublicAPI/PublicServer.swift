#if GRPC
import GRPCCore
import GRPCNIOTransportHTTP2Posix
import NIOCertificateReloading
import NIOCore
package import Telemetry

/// Why the gRPC port is not there.
package struct PublicServerError: Error, Sendable, CustomStringConvertible {
    package let description: String
}

/// The gRPC port: the P2pService of public ModelExpress servers, and the standard health service.
package final class PublicServer: Sendable {
    package struct Configuration: Sendable {
        package var address: String
        /// 0: the system chooses.
        package var port: UInt16
        /// PEM files; nil: in the clear.
        package var certificate: (chain: String, key: String)?
        package var limits: PublicAPILimits

        package init(
            address: String, port: UInt16, certificate: (chain: String, key: String)?, limits: PublicAPILimits
        ) {
            self.address = address
            self.port = port
            self.certificate = certificate
            self.limits = limits
        }
    }

    /// How often the certificate's files are looked at.
    private static let reloadPeriod = Duration.seconds(60)

    package let port: UInt16
    private let server: GRPCServer<HTTP2ServerTransport.Posix>
    private let serving: Task<Void, any Error>
    private let reloading: Task<Void, Never>?
    private let health: HealthBoard
    private let limits: PublicAPILimits

    private init(
        port: UInt16, server: GRPCServer<HTTP2ServerTransport.Posix>, serving: Task<Void, any Error>,
        reloading: Task<Void, Never>?, health: HealthBoard, limits: PublicAPILimits
    ) {
        self.port = port
        self.server = server
        self.serving = serving
        self.reloading = reloading
        self.health = health
        self.limits = limits
    }

    /// Returns when the port is open.
    ///
    /// - Parameter authority: says who calls; nil: nobody is asked.
    package static func start(
        _ configuration: Configuration, port: any EnginePort, authority: (any CallerAuthority)?,
        metrics: Metrics = .shared
    ) async throws(PublicServerError) -> PublicServer {
        let limits = configuration.limits
        let health = HealthBoard(limit: limits.watches)
        let calls = CallMetrics(metrics)
        let (security, reloader) = try security(configuration.certificate)
        let address: GRPCNIOTransportCore.SocketAddress =
            configuration.address.contains(":")
            ? .ipv6(host: configuration.address, port: Int(configuration.port))
            : .ipv4(host: configuration.address, port: Int(configuration.port))
        let transport = HTTP2ServerTransport.Posix(
            address: address, transportSecurity: security, config: transportConfiguration(limits, metrics))
        let server = GRPCServer(
            transport: transport,
            services: [P2pAnswers(port: port, limits: limits, metrics: calls), HealthAnswers(board: health)],
            interceptorPipeline: authority.map { authority in
                [
                    .apply(
                        CallerCheck(authority: authority, metrics: calls),
                        to: .services([ModelExpress_P2p_P2pService.descriptor]))
                ]
            } ?? [])
        let serving = Task { try await server.serve() }
        do {
            let bound = try await transport.listeningAddress
            let number = bound.ipv4?.port ?? bound.ipv6?.port ?? Int(configuration.port)
            return PublicServer(
                port: UInt16(clamping: number), server: server, serving: serving,
                reloading: reloader.map { reloader in Task { try? await reloader.run() } }, health: health,
                limits: limits)
        } catch {
            throw await failure(serving, configuration, error)
        }
    }

    private static func failure(
        _ serving: Task<Void, any Error>, _ configuration: Configuration, _ error: any Error
    ) async -> PublicServerError {
        var cause = error
        if case .failure(let reason) = await serving.result { cause = reason }
        // What the system says is wrapped once by each library above it.
        while let inner = (cause as? RuntimeError)?.cause { cause = inner }
        let place = "gRPC port \(configuration.port) at \(configuration.address)"
        guard let system = cause as? IOError, system.errnoCode == addressInUse else {
            return PublicServerError(description: "\(place) can't be opened: \(cause)")
        }
        return PublicServerError(
            description: "\(place) is taken by another program; choose another with --grpc-port (MX_GRPC_PORT)")
    }

    private static func transportConfiguration(
        _ limits: PublicAPILimits, _ metrics: Metrics
    ) -> HTTP2ServerTransport.Posix.Config {
        let ledger = StreamLedger(limits, metrics)
        return .defaults { config in
            config.rpc.maxRequestPayloadSize = limits.messageBytes
            config.http2.maxConcurrentStreams = limits.connectionStreams
            config.http2.targetWindowSize = limits.windowBytes
            config.connection.maxIdleTime = .seconds(limits.idleSeconds)
            // Public servers don't mind how often a client asks whether they are there, and ask themselves.
            config.connection.keepalive.time = .seconds(60)
            config.connection.keepalive.clientBehavior.allowWithoutCalls = true
            config.connection.keepalive.clientBehavior.minPingIntervalWithoutCalls = .seconds(5)
            config.channelDebuggingCallbacks.onAcceptTCPConnection = { ledger.admitConnection($0) }
            config.channelDebuggingCallbacks.onAcceptHTTP2Stream = { ledger.admitStream($0) }
        }
    }

    private static func security(
        _ files: (chain: String, key: String)?
    ) throws(PublicServerError) -> (HTTP2ServerTransport.Posix.TransportSecurity, TimedCertificateReloader?) {
        guard let files else { return (.plaintext, nil) }
        do {
            let reloader = try TimedCertificateReloader.makeReloaderValidatingSources(
                refreshInterval: reloadPeriod,
                certificateSource: .init(location: .file(path: files.chain), format: .pem),
                privateKeySource: .init(location: .file(path: files.key), format: .pem))
            return (try .tls(certificateReloader: reloader), reloader)
        } catch {
            throw PublicServerError(
                description: "the certificate of the gRPC port (\(files.chain), \(files.key)) can't be used: \(error)")
        }
    }

    /// Tells health watchers that the server leaves; calls are still answered.
    package func drain() { health.stopServing() }

    /// Takes no more calls, lets those under way end within the grace, and closes all.
    package func stop() async {
        health.stopServing()
        reloading?.cancel()
        server.beginGracefulShutdown()
        let seconds = limits.graceSeconds
        let cutting = Task { [serving] in
            try? await Task.sleep(for: .seconds(seconds))
            serving.cancel()
        }
        _ = await serving.result
        cutting.cancel()
    }
}

/// EADDRINUSE, without a library for one number.
private let addressInUse: Int32 = 98
#endif
