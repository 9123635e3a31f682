import Glibc

/// A `modelexpress-server` that answers.
struct RunningServer: Sendable {
    let name: String
    let process: ChildProcess
    let bootstrapPort: UInt16
    /// For --server.
    let url: String

    /// For --peers.
    var bootstrap: String { "127.0.0.1:\(bootstrapPort)" }

    /// The child that keeps its snapshot, of which its log tells.
    var embeddedRedis: pid_t? { process.loggedNumber("process.id").map { pid_t($0) } }
}

extension Cluster {
    /// Starts a server with a Redis of its own, or with the one at a socket.
    ///
    /// - Parameters:
    ///   - bootstrapPort: 0 lets the system choose.
    ///   - advertise: empty leaves it to the server.
    func startServer(
        redis socket: String? = nil, bootstrapPort: UInt16 = 0, advertise: String = "127.0.0.1"
    ) async throws -> RunningServer {
        let name = "server"
        let options = socket == nil ? ["--embedded-redis"] : []
        let environment = [
            "REDIS_URL": socket.map { "unix://\($0)" } ?? "", "MX_ADVERTISE_ADDRESS": advertise,
            "MX_BOOTSTRAP_PORT": "\(bootstrapPort)",
        ]
        let process = try await start("modelexpress-server", options, as: name, environment: environment)
        let port = try await eventually("a server that is ready") {
            if process.ending != nil { throw Unmet("the server ended") }
            return process.loggedNumber("http.port")
        }
        guard let status = try await self.status(of: name) else { throw Unmet("the server gives no status") }
        return RunningServer(
            name: name, process: process, bootstrapPort: status.bootstrapPort, url: "http://127.0.0.1:\(port)")
    }

    /// Starts a Redis that listens on a Unix socket and keeps nothing on disk.
    func startRedis(_ socket: String) async throws -> ChildProcess {
        unlink(socket)
        let redis = try await start(
            path: "redis-server",
            ["--port", "0", "--unixsocket", socket, "--save", "", "--appendonly", "no", "--dir", folder], name: "redis")
        try await eventually("a Redis that answers") {
            guard let descriptor = RawSocket.connect(path: socket) else { return false }
            close(descriptor)
            return true
        }
        return redis
    }

    /// Starts the daemon.
    func startSidecar(
        _ arguments: [String], as name: String, peers: [String] = []
    ) async throws -> (process: ChildProcess, bootstrap: String) {
        let options = peers.isEmpty ? [] : ["--peers", peers.joined(separator: ",")]
        let process = try await start("modelexpress-sidecar", arguments + options, as: name)
        let status = try await eventually("a sidecar that answers") { try await self.status(of: name) }
        return (process, "127.0.0.1:\(status.bootstrapPort)")
    }
}

extension ChildProcess {
    /// The number in the last log line that has `key=NUMBER`.
    func loggedNumber(_ key: String) -> Int? {
        for line in errorLines.reversed() {
            guard let range = line.firstRange(of: " \(key)=") else { continue }
            return Int(line[range.upperBound...].prefix { $0.isNumber })
        }
        return nil
    }
}
