import Digest
import EventThread
import Glibc
import Mesh
import MeshTransport
import PeerLogic
import Records
import Signing
import Telemetry
import Testing
import Transfer
import Trust

/// Real sockets, CURVE and ZAP: peers on loopback with ports that the system chooses.
@Suite(.serialized) struct PeerHostTests {
    @Test("Two peers that know one address become neighbours and hear each other's offers")
    func join() async throws {
        let cluster = TestCluster()
        let first = try await cluster.peer()
        let second = try await cluster.peer(seeds: ["127.0.0.1:\(first.endpoints.bootstrapPort)"])
        try await eventually("the peers are neighbours") {
            let one = try await first.host.query { $0.mesh.neighbourCount }
            let other = try await second.host.query { $0.mesh.neighbourCount }
            return one == 1 && other == 1
        }
        let content = try TestCluster.content(model: "m")
        first.host.submit(.serve(content))
        try await eventually("the offer is heard") {
            let now = TestCluster.now()
            return try await second.host.query { $0.mesh.sources(atWall: now.wall).map(\.announcement.manifest) }
                == [content.id]
        }
        await second.host.stop()
        await first.host.stop()
    }

    @Test("A peer that leaves is gone at once, long before its term")
    func departure() async throws {
        let cluster = TestCluster()
        let first = try await cluster.peer()
        let second = try await cluster.peer(seeds: ["127.0.0.1:\(first.endpoints.bootstrapPort)"])
        let leaving = second.id
        try await eventually("it is known") { try await first.host.query { $0.mesh.peerRecord(of: leaving) != nil } }
        await second.host.stop()
        try await eventually("it is gone") { try await first.host.query { $0.mesh.peerRecord(of: leaving) == nil } }
        await first.host.stop()
    }

    @Test("A peer of another cluster is not let in, and is told why")
    func otherCluster() async throws {
        let first = try await TestCluster().peer()
        let stranger = try await TestCluster().peer(seeds: ["127.0.0.1:\(first.endpoints.bootstrapPort)"])
        let problem = Guarded("")
        stranger.handler.onNotice = { notice in
            if case .failed(let failure, _) = notice { problem.withLock { $0 = "\(failure)" } }
        }
        stranger.host.submit(.pull(PullID(1), WantedModel(model: "m"), PullOptions(wait: 500 * Duration64.millisecond)))
        try await eventually("the pull fails") { !problem.withLock { $0 }.isEmpty }
        #expect(problem.withLock { $0 }.contains("another cluster"))
        #expect(try await first.host.query { $0.mesh.knownPeers.count } == 1)
        await stranger.host.stop()
        await first.host.stop()
    }

    @Test("Garbage on the bootstrap port is closed, and the port goes on answering")
    func garbage() async throws {
        let cluster = TestCluster()
        let first = try await cluster.peer()
        for size in [0, 1, 63, 64, 65, 1000] {
            TestCluster.send((0..<size).map { UInt8(truncatingIfNeeded: $0) }, toPort: first.endpoints.bootstrapPort)
        }
        let second = try await cluster.peer(seeds: ["127.0.0.1:\(first.endpoints.bootstrapPort)"])
        try await eventually("it joins all the same") { try await second.host.query { $0.mesh.neighbourCount == 1 } }
        await second.host.stop()
        await first.host.stop()
    }

    @Test("A port in use is an error that names the flag")
    func portInUse() async throws {
        let cluster = TestCluster()
        let first = try await cluster.peer()
        let error = await #expect(throws: PeerHostError.self) {
            _ = try await cluster.peer(bootstrapPort: first.endpoints.bootstrapPort)
        }
        #expect("\(try #require(error))".contains("--bootstrap-port"))
        await first.host.stop()
    }
}
