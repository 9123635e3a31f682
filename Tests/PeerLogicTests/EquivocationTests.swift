import Mesh
import PeerLogic
import Records
import Testing
import Trust

private let second = Duration64.second

@Suite("A peer that signs two payloads under one version")
struct EquivocationTests {
    /// Four peers that hear node 1's offer, and another announcement that node 1 signed under the same version.
    private func contradiction() throws -> (mesh: VirtualMesh, told: [UInt8], other: [UInt8]) {
        var mesh = VirtualMesh(seed: 21)
        try mesh.startMany(4)
        mesh.run(for: 5 * second)
        mesh.serve(try VirtualContent.manifest(model: "org/b", chunks: 4), at: 1)
        mesh.run(for: second)
        let told = try #require(mesh.nodes[0].logic.mesh.sources(atWall: mesh.moment(of: 0).wall).first).announcement
        let other = Announcement(
            version: told.version, validity: told.validity, identity: told.identity, rank: told.rank, state: told.state,
            manifest: told.manifest, introduction: told.introduction, coverageEighths: 1, totalBytes: 1,
            lanes: told.lanes, slots: told.slots, deviceKind: told.deviceKind)
        return (mesh, frame(told, by: 1, mesh), frame(other, by: 1, mesh))
    }

    private func frame(_ announcement: Announcement, by node: Int, _ mesh: VirtualMesh) -> [UInt8] {
        mesh.nodes[node].secrets.signer.frame(announcement, cluster: mesh.cluster.root.anchor.cluster).encoded
    }

    private func isQuarantined(_ node: Int, at other: Int, _ mesh: VirtualMesh) -> Bool {
        mesh.nodes[other].logic.mesh.quarantinedPeers == [mesh.nodes[node].id]
            && !mesh.nodes[other].logic.mesh.knownPeers.contains(mesh.nodes[node].id)
    }

    @Test("Who sees both quarantines the peer and proves it to everybody, and what the peer offered is gone")
    func conviction() throws {
        var (mesh, _, other) = try contradiction()
        mesh.handle(.gossip(from: mesh.nodes[2].id, GossipHead(counter: 9_999, hops: 0), frame: other), at: 0)
        #expect(mesh.nodes[0].changes.contains(.refused(from: mesh.nodes[2].id, reason: .equivocation)))
        #expect(isQuarantined(1, at: 0, mesh))
        #expect(mesh.run(for: second) { mesh in [0, 2, 3].allSatisfy { isQuarantined(1, at: $0, mesh) } })
        #expect(mesh.view(of: 3).isEmpty)
        mesh.run(for: 30 * second)
        #expect([0, 2, 3].allSatisfy { isQuarantined(1, at: $0, mesh) }, "it greets, and is let in nowhere")
        #expect([0, 2, 3].allSatisfy { mesh.nodes[$0].logic.mesh.knownPeers.count == 3 })
    }

    @Test("A joiner learns whom the others have quarantined")
    func joiner() throws {
        var (mesh, _, other) = try contradiction()
        mesh.handle(.gossip(from: mesh.nodes[2].id, GossipHead(counter: 9_999, hops: 0), frame: other), at: 0)
        mesh.run(for: 2 * second)
        let late = try mesh.start(seeds: [mesh.nodes[3].address])
        #expect(mesh.run(for: 5 * second) { isQuarantined(1, at: late, $0) })
    }

    @Test("A quarantine ends with the certificate that it judges")
    func end() throws {
        var (mesh, _, other) = try contradiction()
        mesh.handle(.gossip(from: mesh.nodes[2].id, GossipHead(counter: 9_999, hops: 0), frame: other), at: 0)
        mesh.crash(1)
        let life = mesh.nodes[1].logic.certificate.notAfter - mesh.moment(of: 0).wall
        var state = mesh.nodes[0].logic
        let now = mesh.moment(of: 0).advanced(byNanoseconds: UInt64(life + 1_000) * Duration64.millisecond)
        _ = state.handle(.tick, now: now)
        #expect(state.mesh.quarantinedPeers.isEmpty)
    }

    @Test("A proof is refused when a signature is wrong, the payloads are equal, or the versions differ")
    func falseProofs() throws {
        var (mesh, told, other) = try contradiction()
        var forged = try SignedFrame(decoding: other)
        forged = SignedFrame(
            purpose: forged.purpose, author: forged.author, payload: forged.payload,
            signature: VirtualSigner("nobody").sign(forged.payload))
        let later = try Announcement(decoding: SignedFrame(decoding: other).payload)
        let newer = Announcement(
            version: Version(incarnation: later.version.incarnation, sequence: later.version.sequence + 1),
            validity: later.validity, identity: later.identity, rank: later.rank, state: later.state,
            manifest: later.manifest, introduction: later.introduction, coverageEighths: 2, totalBytes: 1,
            lanes: later.lanes, slots: later.slots, deviceKind: later.deviceKind)
        let chain = try #require(mesh.nodes[0].logic.mesh.peerRecord(of: mesh.nodes[1].id)).chain
        let otherChain = try #require(mesh.nodes[0].logic.mesh.peerRecord(of: mesh.nodes[3].id)).chain
        let proofs = [
            EquivocationProof(told, forged.encoded, by: chain), EquivocationProof(told, told + [0], by: chain),
            EquivocationProof(told, frame(newer, by: 1, mesh), by: chain),
            EquivocationProof(told, frame(later, by: 2, mesh), by: chain),
            EquivocationProof(told, other, by: otherChain),
        ]
        for (number, proof) in proofs.enumerated() {
            let sender = mesh.nodes[2 + number % 2].id
            mesh.handle(
                .gossip(from: sender, GossipHead(counter: UInt64(10_000 + number), hops: 0), frame: proof.encoded),
                at: 0)
            #expect(mesh.nodes[0].logic.mesh.quarantinedPeers.isEmpty, "proof \(number)")
        }
        mesh.handle(
            .gossip(
                from: mesh.nodes[3].id, GossipHead(counter: 11_000, hops: 0),
                frame: EquivocationProof(told, other, by: chain).encoded),
            at: 0)
        #expect(isQuarantined(1, at: 0, mesh), "the true one is believed")
    }
}
