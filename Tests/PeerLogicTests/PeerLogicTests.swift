import Digest
import Mesh
import PeerLogic
import Records
import Testing
import Trust

private let second = Duration64.second
private let millisecond = Duration64.millisecond

@Suite("Peers that find each other")
struct MembershipTests {
    @Test("Ten peers that know one address all know each other within seconds, and stay together")
    func convergence() throws {
        var mesh = VirtualMesh(seed: 1)
        try mesh.startMany(10)
        #expect(mesh.run(for: 5 * second) { $0.agrees && $0.nodes.allSatisfy { $0.logic.mesh.neighbourCount == 9 } })
        mesh.run(for: 30 * second)
        #expect(mesh.agrees && mesh.nodes.allSatisfy { $0.logic.mesh.neighbourCount == 9 })
        #expect(mesh.nodes.allSatisfy { $0.gone.isEmpty })
    }

    @Test("A joiner that knows any one peer learns of all")
    func joiner() throws {
        var mesh = VirtualMesh(seed: 2)
        try mesh.startMany(8)
        mesh.run(for: 60 * second)
        let joiner = try mesh.start(seeds: ["nowhere:1", mesh.nodes[5].address])
        #expect(mesh.run(for: second) { $0.nodes[joiner].logic.mesh.knownPeers.count == 9 })
        #expect(mesh.run(for: 2 * second) { $0.agrees && $0.nodes.allSatisfy { $0.logic.mesh.neighbourCount == 8 } })
    }

    @Test("An announcement reaches everybody in one hop's time")
    func announcement() throws {
        var mesh = VirtualMesh(seed: 3)
        try mesh.startMany(10)
        mesh.run(for: 5 * second)
        mesh.serve(try VirtualContent.manifest(model: "org/a", chunks: 4), at: 7)
        let isEverywhere = mesh.run(for: 21 * millisecond) { mesh in
            mesh.nodes.allSatisfy { mesh.view(of: $0.index).count == 1 }
        }
        #expect(isEverywhere)
    }

    @Test("With half of all gossip lost everybody still agrees, and nobody is taken for dead", arguments: [1, 2])
    func gossipLoss(seed: UInt64) throws {
        var settings = VirtualMesh.Settings()
        settings.gossipLossPercent = 50
        var mesh = VirtualMesh(seed: seed, settings: settings)
        try mesh.startMany(8)
        #expect(mesh.run(for: 5 * second) { $0.agrees }, "\(mesh.note)")
        for node in 0..<4 {
            mesh.serve(try VirtualContent.manifest(model: "org/\(node)", chunks: 4), at: node)
            #expect(mesh.run(for: 4 * second) { $0.agrees && $0.view(of: 7).count == node + 1 }, "\(mesh.note)")
        }
        mesh.run(for: 40 * second)
        #expect(mesh.nodes.allSatisfy { $0.gone.isEmpty }, "\(mesh.note)")
        #expect(mesh.agrees, "\(mesh.note)")
    }

    @Test("What a crashed peer offered ends with its term and the skew, and doesn't come back")
    func crash() throws {
        var mesh = VirtualMesh(seed: 4)
        try mesh.startMany(8)
        mesh.serve(try VirtualContent.manifest(model: "org/a", chunks: 4), at: 3)
        mesh.run(for: 40 * second)
        #expect(mesh.view(of: 0).count == 1)
        mesh.crash(3)
        let life = UInt64(MeshPreset.ten.term + ValidityLimits.skew) * millisecond
        #expect(
            mesh.run(for: life + millisecond) { mesh in (0..<8).allSatisfy { $0 == 3 || mesh.view(of: $0).isEmpty } })
        #expect(mesh.run(for: 2 * second) { $0.agrees })
        for node in 0..<8 { mesh.nodes[node].changes.removeAll() }
        for _ in 0..<60 {
            mesh.run(for: second)
            #expect(mesh.agrees, "\(mesh.note)")
        }
        let dead = mesh.nodes[3].id
        let isSilent = mesh.nodes.allSatisfy { node in
            !node.changes.contains { if case .record(_, dead, _, _, _, _) = $0 { true } else { false } }
        }
        #expect(isSilent)
    }

    @Test("A peer that departs is gone everywhere at once, with its offers")
    func departure() throws {
        var mesh = VirtualMesh(seed: 5)
        try mesh.startMany(6)
        mesh.serve(try VirtualContent.manifest(model: "org/a", chunks: 4), at: 2)
        mesh.run(for: 90 * second)
        mesh.handle(.depart, at: 2)
        #expect(
            mesh.run(for: 21 * millisecond) { mesh in
                mesh.nodes.allSatisfy { $0.index == 2 || !$0.logic.mesh.knownPeers.contains(mesh.nodes[2].id) }
            })
        // It lingers for a while before its process ends; what it says, or others kept, doesn't bring it back.
        for _ in 0..<10 {
            mesh.run(for: second)
            for node in mesh.nodes where node.index != 2 { #expect(mesh.view(of: node.index).isEmpty, "\(mesh.note)") }
        }
    }

    @Test("A peer that was paused for longer than its term is known again soon after, with its offers")
    func pause() throws {
        var mesh = VirtualMesh(seed: 6)
        try mesh.startMany(6)
        mesh.serve(try VirtualContent.manifest(model: "org/a", chunks: 4), at: 2)
        mesh.run(for: 10 * second)
        mesh.pause(2, for: 30 * second)
        mesh.run(for: 20 * second)
        #expect(mesh.nodes[0].gone == [mesh.nodes[2].id] && mesh.view(of: 0).isEmpty)
        mesh.run(for: 10 * second)
        #expect(mesh.run(for: 12 * second) { $0.agrees && $0.view(of: 0).count == 1 })
        for node in 0..<6 { mesh.nodes[node].changes.removeAll() }
        mesh.run(for: 30 * second)
        #expect(mesh.agrees && mesh.nodes.allSatisfy { $0.gone.isEmpty })
    }

    @Test("Two halves that were apart for a minute agree again within three seconds of healing", arguments: 1...3)
    func partition(seed: UInt64) throws {
        var mesh = VirtualMesh(seed: seed)
        try mesh.startMany(8)
        mesh.serve(try VirtualContent.manifest(model: "org/a", chunks: 4), at: 1)
        mesh.run(for: 20 * second)
        for left in 0..<4 { for right in 4..<8 { mesh.cut(left, right) } }
        mesh.run(for: 60 * second)
        #expect(mesh.view(of: 3).count == 1 && mesh.view(of: 4).isEmpty)
        mesh.cuts.removeAll()
        #expect(mesh.run(for: 3 * second) { $0.agrees && $0.view(of: 4).count == 1 })
    }

    @Test("A peer whose clock is far ahead is not believed, and harms nobody")
    func clockSkew() throws {
        var mesh = VirtualMesh(seed: 8)
        try mesh.startMany(5)
        let skewed = try mesh.start(seeds: [mesh.nodes[0].address], skew: 30_000)
        mesh.run(for: 20 * second)
        for node in 0..<5 {
            #expect(!mesh.nodes[node].logic.mesh.knownPeers.contains(mesh.nodes[skewed].id))
            #expect(mesh.nodes[node].logic.mesh.knownPeers.count == 5 && mesh.nodes[node].gone.isEmpty)
        }
        #expect(mesh.nodes[skewed].hasLogged("clocks differ by more than the mesh allows: synchronise them"))
    }

    @Test("More peers than one may have neighbours still hear of everything, forwarded by others")
    func overlay() throws {
        var settings = VirtualMesh.Settings()
        settings.mesh.directPeers = 4
        settings.mesh.neighbours = 5
        var mesh = VirtualMesh(seed: 9, settings: settings)
        try mesh.startMany(16)
        #expect(mesh.run(for: 10 * second) { $0.agrees })
        mesh.serve(try VirtualContent.manifest(model: "org/a", chunks: 4), at: 15)
        #expect(mesh.run(for: 3 * second) { $0.agrees && $0.view(of: 0).count == 1 })
        mesh.run(for: 20 * second)
        #expect(mesh.agrees && mesh.nodes.allSatisfy { $0.gone.isEmpty && $0.logic.mesh.neighbourCount <= 6 })
    }

    @Test("An introduction is issued again at half its life, so that content never goes out of date")
    func introductions() throws {
        var settings = VirtualMesh.Settings()
        settings.introductionLife = 60_000
        var mesh = VirtualMesh(seed: 11, settings: settings)
        try mesh.startMany(2)
        mesh.serve(try VirtualContent.manifest(model: "org/a", chunks: 4), at: 0)
        mesh.run(for: 200 * second)
        let pull = mesh.pull("org/a", at: 1)
        #expect(mesh.run(for: 10 * second) { $0.nodes[1].isComplete(pull) })
    }

    @Test("A token that replaces another is used for the next certificate, and one of another cluster is not")
    func newToken() throws {
        var mesh = VirtualMesh(seed: 12)
        try mesh.startMany(2)
        mesh.run(for: 5 * second)
        let before = mesh.nodes[1].logic.certificate.token
        let delegate = VirtualSigner("delegate of another cluster")
        let root = ClusterRoot(signer: VirtualSigner("another root"))
        let grant = root.grant(
            delegatedKey: delegate.publicKey, roles: .all, modelPrefixes: [""], certificateLife: 3_600_000,
            notBefore: 0, notAfter: .max)
        let foreign = try TokenHolder(anchor: root.anchor, grant: grant, delegate: delegate)
        mesh.handle(.token(foreign), at: 1)
        #expect(mesh.nodes[1].logic.certificate.token == before)
        let next = try mesh.cluster.token(certificateLife: 3_000_000)
        mesh.handle(.token(next), at: 1)
        #expect(mesh.nodes[1].logic.certificate.token == next.grant.value.id)
        mesh.run(for: 20 * second)
        #expect(mesh.agrees && mesh.nodes.allSatisfy { $0.logic.mesh.knownPeers.count == 2 })
    }

    @Test("Certificates are renewed at half their life, and nobody is lost over it")
    func certificates() throws {
        var mesh = VirtualMesh(seed: 10)
        let token = try mesh.cluster.token(certificateLife: 240_000)
        for _ in 0..<3 { try mesh.start(seeds: mesh.nodes.isEmpty ? [] : [mesh.nodes[0].address], token: token) }
        mesh.run(for: 400 * second)
        #expect(mesh.agrees && mesh.nodes.allSatisfy { $0.gone.isEmpty })
        let end = mesh.nodes[1].logic.certificate.notAfter
        #expect(mesh.nodes[0].logic.mesh.peerRecord(of: mesh.nodes[1].id)?.chain.certificate.value.notAfter == end)
        #expect(end > mesh.moment(of: 0).wall)
    }

    @Test("A peer of another cluster finds no way in")
    func foreignCluster() throws {
        var mesh = VirtualMesh(seed: 11)
        try mesh.startMany(3)
        let root = ClusterRoot(signer: VirtualSigner("another root"))
        let delegate = VirtualSigner("another delegate")
        let grant = root.grant(
            delegatedKey: delegate.publicKey, roles: .all, modelPrefixes: [""], certificateLife: 3_600_000,
            notBefore: VirtualCluster.epoch, notAfter: VirtualCluster.epoch + 3_600_000)
        let token = try TokenHolder(anchor: root.anchor, grant: grant, delegate: delegate)
        let foreigner = try mesh.start(seeds: [mesh.nodes[0].address], token: token)
        mesh.run(for: 10 * second)
        #expect(mesh.nodes[foreigner].logic.mesh.knownPeers == [mesh.nodes[foreigner].id])
        #expect(mesh.nodes[0].logic.mesh.knownPeers.count == 3)
    }
}
