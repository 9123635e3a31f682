import Glibc
import Telemetry

/// A cluster of its own for one test: keys, folders and processes, all in one temporary folder. Whatever the test's outcome,
/// the processes are killed and the folder is removed.
final class Cluster: Sendable {
    let folder: String
    private let processes = Guarded<[ChildProcess]>([])

    private init() throws { folder = try Files.makeTemporaryFolder() }

    /// Runs a test's body in a new cluster.
    static func run(_ body: (Cluster) async throws -> Void) async throws {
        let cluster = try Cluster()
        do {
            try await cluster.makeKeys()
            try await body(cluster)
        } catch {
            let report = cluster.report
            await cluster.end()
            throw Unmet("\(error)\n\(report)")
        }
        await cluster.end()
    }

    func path(_ name: String) -> String { "\(folder)/\(name)" }

    /// Makes a folder for a model's files.
    func makeFolder(_ name: String) throws -> String {
        try Files.makeFolder(path(name))
        return path(name)
    }

    // MARK: Processes

    /// Starts one of the built programs.
    ///
    /// - Parameter name: whose state folder it gets, and what it calls itself.
    func start(
        _ program: String, _ arguments: [String], as name: String, environment: [String: String] = [:]
    ) async throws -> ChildProcess {
        let settings = defaults(name).merging(environment) { _, own in own }
        return try await start(
            path: Programs.path(of: program), arguments, name: "\(name): \(program)", environment: settings)
    }

    /// Starts any program.
    func start(
        path: String, _ arguments: [String], name: String, environment: [String: String] = [:]
    ) async throws -> ChildProcess {
        let settings = ["PATH": Programs.environment("PATH") ?? "/usr/bin:/bin"].merging(environment) { _, own in own }
        let process = try await ProcessKeeper.shared.start(
            name: name, program: path, arguments: arguments, environment: settings)
        processes.withLock { $0.append(process) }
        return process
    }

    /// Runs the command line to its end.
    @discardableResult
    func modelexpress(
        _ arguments: [String], as name: String = "user", environment: [String: String] = [:]
    ) async throws -> ChildProcess {
        let process = try await start("modelexpress", arguments, as: name, environment: environment)
        try await process.end()
        return process
    }

    /// The keys of the cluster lie apart from every peer's state folder.
    var keysFolder: String { path("keys") }
    var token: String { path("keys/token") }
    var laneSockets: String { path("lanes") }

    func stateFolder(of name: String) -> String { path("state-\(name)") }

    private func defaults(_ name: String) -> [String: String] {
        [
            "HOME": folder, "MX_STATE_DIR": stateFolder(of: name), "MX_TOKEN_FILE": token,
            "MX_HOST_SOCKET_DIR": laneSockets, "MX_PEER_NAME": name, "MX_BIND_ADDRESS": "127.0.0.1",
            "MX_BOOTSTRAP_PORT": "0", "MX_CONTROL_PORT": "0", "MX_GOSSIP_PORT": "0", "MX_DATA_PORT": "0",
            "MX_HTTP_PORT": "0",
            "MX_GRPC_PORT": "0",
            // A backtrace of a debug build takes a minute; that a program crashed is told by its signal.
            "SWIFT_BACKTRACE": "enable=no",
        ]
    }

    private func makeKeys() async throws {
        let roles = ["--roles", "origin,relay,reader,server"]
        for arguments in [["init"], ["token"] + roles] {
            let made = try await modelexpress(["keys"] + arguments + ["--state-dir", keysFolder])
            guard made.ending == .code(0) else { throw Unmet("no keys: \(made.report)") }
        }
    }

    // MARK: End

    /// What the processes said, without the many that were only asked something.
    private var report: String {
        let told = processes.withLock { $0 }.filter { !($0.name.hasPrefix("user") && $0.ending == .code(0)) }
        return told.suffix(8).map(\.report).joined(separator: "\n")
    }

    /// In a task of its own, since a test that ran out of time is cancelled.
    private func end() async {
        let (all, folder) = (processes.withLock { $0 }, self.folder)
        await Task {
            for process in all { try? await process.killed() }
            _ = try? await onOwnThread { Files.remove(folder) }
        }.value
    }
}
