import EventThread
import Glibc
import Mesh
import PeerLogic
import Records
import Telemetry
import Testing

@testable import MeshTransport

@Suite("What gossip loses, digests bring", .serialized)
struct SilentLossTests {
    @Test(
        "A peer that slept through a thousand announcements holds the same records as their author soon after it wakes")
    func sleeper() async throws {
        let cluster = TestCluster()
        let author = try await cluster.peer()
        let sleeper = try await cluster.peer(seeds: [author.seed])
        try await eventually("they are neighbours") {
            try await sleeper.host.query { [id = author.id] in $0.mesh.isNeighbour(id) }
        }
        let contents = try (0..<8).map { try TestCluster.content(model: "m\($0)") }
        for content in contents { author.host.submit(.serve(content)) }
        try await eventually("all is heard") { try await isSame(author, sleeper) }
        let awake = Guarded(false)
        sleeper.host.thread.post { while !awake.withLock({ $0 }) { usleep(10_000) } }
        for round in 0..<800 {
            let content = contents[round % contents.count]
            author.host.submit(.withdraw(content.id))
            author.host.submit(.serve(content))
        }
        // Its thread never waited for the sleeper.
        _ = try await author.host.query { $0.mesh.recordCount }
        awake.withLock { $0 = true }
        try await eventually("both hold the same") {
            let now = TestCluster.now().wall
            let heard = try await sleeper.host.query { $0.mesh.sources(atWall: now).count }
            guard heard == contents.count else { return false }
            return try await isSame(author, sleeper)
        }
        await sleeper.host.stop()
        await author.host.stop()
    }

    private func isSame(_ one: TestCluster.Peer, _ other: TestCluster.Peer) async throws -> Bool {
        let (left, right) = (try await digest(one), try await digest(other))
        return left == right
    }

    /// Owner and version of all records but beacons.
    private func digest(_ peer: TestCluster.Peer) async throws -> [String] {
        try await peer.host.query { logic in
            logic.mesh.everything().compactMap { change in
                guard case .record(let id, let owner, let version, _, _, _) = change else { return nil }
                return "\(owner) \(id) \(version.incarnation) \(version.sequence)"
            }
        }
    }
}
