import CLinux
import EventThread
import Glibc
import Telemetry
import Testing

@testable import SnapshotStore

/// Listens on a Unix socket and answers each connection with fixed bytes, whatever it is asked.
final class ImpostorServer: Sendable {
    let url: RedisURL
    private let thread: EventThread
    private let folder: TemporaryFolder
    private let connections = Guarded([Int32]())

    init(answer: [UInt8]) async throws {
        folder = try TemporaryFolder()
        let path = folder.path + "/s"
        url = RedisURL(endpoint: .unixSocket(path: path))
        thread = try EventThread(name: "impostor")
        try thread.run()
        let listener = socket(AF_UNIX, Int32(SOCK_STREAM.rawValue), 0)
        var address = sockaddr_un()
        address.sun_family = sa_family_t(AF_UNIX)
        withUnsafeMutableBytes(of: &address.sun_path) { $0.copyBytes(from: path.utf8) }
        let bound = withUnsafePointer(to: &address) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                bind(listener, $0, socklen_t(MemoryLayout<sockaddr_un>.size))
            }
        }
        try #require(bound == 0)
        try #require(listen(listener, 8) == 0)
        connections.withLock { $0.append(listener) }
        try await thread.perform { [self] in
            thread.register(descriptor: listener, events: .readable) { [self] _ in
                let connection = accept(listener, nil, nil)
                // Without SIGPIPE, as all signals are blocked on this thread.
                _ = answer.withUnsafeBytes { write(connection, $0.baseAddress, $0.count) }
                connections.withLock { $0.append(connection) }
            }
        }
    }

    func stop() async {
        try? await thread.perform { [self] in
            let all = connections.withLock { $0 }
            thread.unregister(descriptor: all[0])
            for descriptor in all { close(descriptor) }
            thread.stop()
        }
    }
}
