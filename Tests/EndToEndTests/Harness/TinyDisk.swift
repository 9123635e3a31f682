import Glibc

/// A file system of a few megabytes, which only root can mount.
enum TinyDisk {
    /// Whether this machine lets us have one.
    static func isPossible() async -> Bool {
        guard geteuid() == 0 else { return false }
        do {
            try await Cluster.run { cluster in try await use(in: cluster, megabytes: 1) { _ in } }
            return true
        } catch { return false }
    }

    /// Mounts it, gives its folder, and unmounts it again whatever happens.
    static func use(in cluster: Cluster, megabytes: Int, _ body: (String) async throws -> Void) async throws {
        let folder = try cluster.makeFolder("tiny-disk")
        let options = ["-t", "tmpfs", "-o", "size=\(megabytes)m", "tmpfs", folder]
        guard try await run("mount", options, cluster) == .code(0) else { throw Unmet("can't mount a small disk") }
        do {
            try await body(folder)
        } catch {
            _ = try? await run("umount", ["-l", folder], cluster)
            throw error
        }
        _ = try await run("umount", ["-l", folder], cluster)
    }

    private static func run(_ program: String, _ arguments: [String], _ cluster: Cluster) async throws -> Ending {
        try await cluster.start(path: program, arguments, name: program).end(within: .seconds(10))
    }
}
