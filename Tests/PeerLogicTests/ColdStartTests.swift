import Digest
import Mesh
import PeerLogic
import Records
import Testing
import Transfer

private let second = Duration64.second

@Suite("Engines where nobody has their weights yet")
struct ColdStartTests {
    private func identity(dtype: String = "bfloat16", revision: String = "r1") -> SourceIdentity {
        SourceIdentity(model: "org/a", revision: revision, stage: .loaded, dtype: dtype)
    }

    private func manifest(_ identity: SourceIdentity, chunks: Int = 8) throws -> Manifest {
        try Manifest(
            identity: identity, rank: 0,
            layout: Layout(storages: [Storage(name: "w", size: UInt64(chunks) * 4096)], chunkSize: 4096), tensors: [],
            digests: (0..<chunks).map { ChunkDigests(crc32c: UInt32($0), strong: .zero) })
    }

    private func joined(_ count: Int, seed: UInt64 = 60) throws -> VirtualMesh {
        var mesh = VirtualMesh(seed: seed)
        try mesh.startMany(count)
        mesh.run(for: 3 * second)
        return mesh
    }

    /// Has an engine's peer want its weights.
    private func want(
        _ mesh: inout VirtualMesh, at node: Int, _ identity: SourceIdentity, mayLoad: Bool = true, loaders: Int = 2,
        wait: UInt64 = 600 * Duration64.second
    ) {
        let options = PullOptions(cold: ColdStart(mayLoad: mayLoad, loaders: loaders, wait: wait))
        mesh.handle(.pull(PullID(1), WantedModel(identity: identity, rank: 0), options), at: node)
    }

    private func loads(_ mesh: VirtualMesh, _ node: Int) -> Bool {
        if case .coldStart? = mesh.nodes[node].failure(of: PullID(1)) { true } else { false }
    }

    private func loaders(_ mesh: VirtualMesh) -> [Int] { mesh.nodes.indices.filter { loads(mesh, $0) } }

    @Test("Of many that start at once two load, and the others read from them", arguments: [60, 61, 62] as [UInt64])
    func twoOfMany(seed: UInt64) throws {
        var mesh = try joined(8, seed: seed)
        for node in 0..<8 { want(&mesh, at: node, identity()) }
        mesh.run(for: 5 * second)
        let chosen = loaders(mesh)
        #expect(chosen.count == 2, mesh.note)
        // They load for a while, and say how far they are.
        for step in 1...10 as ClosedRange<UInt64> {
            for node in chosen { mesh.handle(.loading(identity(), rank: 0, bytes: step), at: node) }
            mesh.run(for: 6 * second)
        }
        #expect(loaders(mesh) == chosen, mesh.note)
        let content = try manifest(identity())
        for node in chosen { mesh.serve(content, at: node) }
        #expect(
            mesh.run(for: 20 * second) { mesh in
                mesh.nodes.indices.allSatisfy { chosen.contains($0) || mesh.nodes[$0].isComplete(PullID(1)) }
            }, mesh.note)
        // No wish outlives what came of it.
        mesh.run(for: 2 * second)
        let states = mesh.nodes[0].logic.mesh.sources(atWall: mesh.moment(of: 0).wall).map(\.announcement.state)
        #expect(states.count == 8 && states.allSatisfy { $0 == .live }, mesh.note)
    }

    @Test("A loader that dies, or goes on no more, is replaced by one that waits", arguments: [true, false])
    func replaced(dies: Bool) throws {
        var mesh = try joined(4)
        for node in 0..<4 { want(&mesh, at: node, identity(), loaders: 1) }
        mesh.run(for: 5 * second)
        let first = try #require(loaders(mesh).first)
        #expect(loaders(mesh).count == 1)
        if dies { mesh.crash(first) }
        #expect(mesh.run(for: 60 * second) { loaders($0).count == 2 }, mesh.note)
    }

    @Test("Who has no disk waits as long as told, and then says so")
    func waitsInVain() throws {
        var mesh = try joined(2)
        want(&mesh, at: 1, identity(), mayLoad: false, wait: 20 * second)
        mesh.run(for: 19 * second)
        #expect(!loads(mesh, 1))
        mesh.run(for: 3 * second)
        #expect(loads(mesh, 1))
        // Nobody believes that it loads.
        mesh.run(for: second)
        #expect(mesh.nodes[0].logic.mesh.sources(atWall: mesh.moment(of: 0).wall).isEmpty, mesh.note)
    }

    @Test("With no patience an engine looks around once, and loads")
    func noWait() throws {
        var mesh = try joined(3)
        for node in 0..<3 { want(&mesh, at: node, identity(), wait: 0) }
        mesh.run(for: 3 * second)
        #expect(loaders(mesh).count == 3)
    }

    @Test("An engine whose peer reaches nobody loads after the time to join")
    func alone() throws {
        var mesh = VirtualMesh(seed: 63)
        try mesh.start(seeds: ["nowhere"])
        want(&mesh, at: 0, identity())
        mesh.run(for: 3 * second)
        #expect(!loads(mesh, 0))
        mesh.run(for: 4 * second)
        #expect(loads(mesh, 0))
    }

    @Test("Weights of another kind are not taken, and what differs is said")
    func otherKind() throws {
        var mesh = try joined(2)
        mesh.serve(try manifest(identity()), at: 0)
        mesh.run(for: second)
        want(&mesh, at: 1, identity(dtype: "float16", revision: "r2"))
        mesh.run(for: 5 * second)
        guard case .coldStart(let reason)? = mesh.nodes[1].failure(of: PullID(1)) else {
            Issue.record("it took them")
            return
        }
        #expect(reason.contains("revision r1 instead of r2, dtype bfloat16 instead of float16"))
    }

    @Test("The order of those who may load is one for all, and moves no more than it must")
    func rendezvousOrder() {
        let peers = (0..<20).map { PeerID(BLAKE2b.digest([$0])) }
        let order = PeerLogic.order(peers, for: identity(), 0)
        #expect(PeerLogic.order(peers.reversed(), for: identity(), 0) == order)
        #expect(PeerLogic.order(peers.filter { $0 != order[3] }, for: identity(), 0) == order.filter { $0 != order[3] })
        #expect(PeerLogic.order(peers, for: identity(), 1) != order)
    }
}

@Suite("Content that its engine works on")
struct PauseTests {
    private func pulled() throws -> (VirtualMesh, ManifestID) {
        var mesh = VirtualMesh(seed: 64)
        try mesh.startMany(3)
        let manifest = mesh.serve(try VirtualContent.manifest(model: "org/a", chunks: 200), at: 0)
        mesh.run(for: 3 * second)
        return (mesh, manifest)
    }

    private func offered(_ mesh: VirtualMesh, seenBy node: Int) -> [UInt8] {
        mesh.nodes[node].logic.mesh.sources(atWall: mesh.moment(of: node).wall).map(\.announcement.coverageEighths)
    }

    @Test("A pause lets nobody new in, ends those who stay after its grace, and a resume brings them back")
    func pauseAndResume() throws {
        var (mesh, manifest) = try pulled()
        let pull = mesh.pull("org/a", at: 1)
        #expect(mesh.run(for: second) { $0.nodes[0].logic.readers(of: manifest) == 1 })
        mesh.handle(.pause(manifest, grace: 200 * Duration64.millisecond), at: 0)
        #expect(mesh.nodes[0].logic.readers(of: manifest) == 1)
        mesh.run(for: 300 * Duration64.millisecond)
        #expect(mesh.nodes[0].logic.readers(of: manifest) == 0 && mesh.nodes[0].leases.isEmpty)
        #expect(offered(mesh, seenBy: 2) == offered(mesh, seenBy: 2).filter { $0 < 8 })
        mesh.run(for: 2 * second)
        #expect(!mesh.nodes[1].isComplete(pull))
        mesh.handle(.resume(manifest, have: ChunkSet(chunkCount: 200, full: true)), at: 0)
        #expect(mesh.run(for: 10 * second) { $0.nodes[1].isComplete(pull) }, mesh.note)
    }

    @Test("What was changed is offered no more; when everything was, nothing is")
    func changed() throws {
        var (mesh, manifest) = try pulled()
        mesh.handle(.pause(manifest, grace: 0), at: 0)
        var have = ChunkSet(chunkCount: 200, full: true)
        have.remove(7)
        mesh.handle(.resume(manifest, have: have), at: 0)
        mesh.run(for: 2 * second)
        #expect(offered(mesh, seenBy: 2) == [7])
        mesh.handle(.pause(manifest, grace: 0), at: 0)
        mesh.handle(.resume(manifest, have: ChunkSet(chunkCount: 200)), at: 0)
        mesh.run(for: 2 * second)
        #expect(offered(mesh, seenBy: 2).isEmpty && mesh.nodes[0].logic.offerViews.isEmpty)
    }
}
