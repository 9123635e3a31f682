import EventThread
import Glibc
package import Records
import Telemetry

/// The source side of the lanes: hands chunks out to readers that hold a lease.
///
/// One thread accepts; each connection has a thread of a bounded pool. The owner calls `stop` before letting it go.
package final class LaneServer: Sendable {
    package struct Configuration: Sendable {
        /// Numeric: "0.0.0.0", "::" (both families) or one of the host's addresses.
        package var tcpBindAddress = "0.0.0.0"
        /// 0 lets the system choose.
        package var tcpPort: UInt16 = 0
        /// The folder that the peers of this host share; nil offers no shared memory lane.
        package var hostSocketDirectory: String?
        /// This host's RDMA devices; nil offers no lane over them. The owner stops it after the server.
        package var fabric: VerbsFabric?
        /// UCX on them; nil unless the operator trusts the fabric. The owner stops it after the server.
        package var ucx: UCXFabric?
        /// Ours: names the socket in that folder.
        package var peer: PeerID
        /// Bytes a second over all TCP leases together; nil for no limit.
        package var bytesPerSecond: UInt64?
        /// Connections at once, over both lanes; each keeps a thread. One more takes the place of one that has proved no
        /// lease, and is closed when all have.
        package var maximumConnections = 64
        /// Nanoseconds that a reader has to prove its lease.
        package var handshakeTimeout: UInt64 = 5_000_000_000

        package init(peer: PeerID) { self.peer = peer }
    }

    /// The port that readers connect to.
    package let tcpPort: UInt16
    /// The socket's name within the host's folder, to be offered in leases; nil without a shared memory lane.
    package let socketName: String?

    private let socketPath: String?
    private let registry: LeaseRegistry
    private let accepting: EventThread
    private let connections: WorkerPool
    private let log = Log(component: "lanes")

    /// Starts listening.
    ///
    /// - Parameter onServed: bytes that a lease's reader took over TCP, once for each chunk. Called on connection threads and
    ///   must not block. Of shared memory a source sees no reads.
    package init(
        configuration: Configuration, onServed: @escaping @Sendable (LeaseID, UInt64) -> Void
    ) throws(LaneServerError) {
        let tcp = try Self.listenTCP(configuration)
        tcpPort = tcp.port
        let unix = try Self.listenUnix(configuration, log: log)
        socketName = unix?.name
        socketPath = unix?.path
        registry = LeaseRegistry(maximumConnections: configuration.maximumConnections)
        do throws(EventThreadError) {
            // Displaced connections keep their threads for a moment, see LeaseRegistry.isBehind.
            connections = try WorkerPool(
                name: "lane-out", threads: configuration.maximumConnections,
                capacity: 2 * configuration.maximumConnections)
            accepting = try EventThread(name: "lane-accept")
            try accepting.run()
        } catch {
            if let path = unix?.path { unlink(path) }
            throw .noThread(error.description)
        }
        let context = ConnectionContext(
            registry: registry, handshakeTimeout: configuration.handshakeTimeout,
            limiter: configuration.bytesPerSecond.map(RateLimiter.init), fabric: configuration.fabric,
            ucx: configuration.ucx, onServed: onServed)
        accept(tcp.socket, .tcp, context)
        if let unix { accept(unix.socket, .sharedMemory, context) }
        log.info(
            "lanes are open", [("tcp.port", Int(tcpPort)), ("socket", socketPath ?? "none")])
    }

    /// Lets the holder of the lease's key read from now on. Again replaces what was admitted under the same id.
    package func admit(_ lease: ServedLease) { registry.admit(lease) }

    /// Ends a lease at once: its connections are reset, and new ones refused. A descriptor that was passed over shared memory
    /// can't be taken back: a reader that keeps to the rules closes it, another could go on reading that file.
    package func end(_ lease: LeaseID) { registry.end(lease) }

    /// Connections of both lanes now, those that haven't proved a lease included and displaced ones not.
    package var connectionCount: Int { registry.connectionCount }

    /// Ends all leases and connections and takes no more. Waits for its threads, so never call it from a task.
    package func stop() {
        if let socketPath { unlink(socketPath) }
        registry.stop()
        accepting.stop()
        connections.stop()
    }

    // MARK: Listening

    private static func listenTCP(
        _ configuration: Configuration
    ) throws(LaneServerError) -> (socket: Socket, port: UInt16) {
        let (address, port) = (configuration.tcpBindAddress, configuration.tcpPort)
        do throws(SocketFailure) {
            return try SocketEndpoints.listenTCP(address: address, port: port)
        } catch .system(_, EADDRINUSE) {
            throw LaneServerError.addressInUse(address: address, port: port)
        } catch {
            throw LaneServerError.cannotListen(place: "\(address) port \(port)", why: error.description)
        }
    }

    private static func listenUnix(
        _ configuration: Configuration, log: Log
    ) throws(LaneServerError) -> (socket: Socket, name: String, path: String)? {
        guard let path = configuration.hostSocketDirectory else { return nil }
        let directory = HostSocketDirectory(path: path)
        let name = HostSocketDirectory.socketName(of: configuration.peer)
        let full = try directory.socketPath(name)
        try directory.prepare()
        let removed = directory.removeStaleSockets()
        if !removed.isEmpty { log.info("removed sockets of killed peers", [("count", removed.count)]) }
        return (try directory.listen(name: name), name, full)
    }

    private func accept(_ listener: Socket, _ kind: LaneKind, _ context: ConnectionContext) {
        let acceptor = LaneAcceptor(
            listener: listener, kind: kind, thread: accepting, connections: connections, context: context)
        accepting.post { acceptor.start() }
    }
}
