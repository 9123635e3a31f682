import Digest
import Mesh
import PeerLogic
import Records
import Testing
import Trust

private let second = Duration64.second

@Suite("What certificates allow, and what they don't")
struct AdmissionTests {
    private func mesh(seed: UInt64) throws -> VirtualMesh {
        var mesh = VirtualMesh(seed: seed)
        try mesh.startMany(3)
        mesh.run(for: 3 * second)
        return mesh
    }

    /// What a peer signs that doesn't keep to what its own logic would say.
    private func announcement(_ model: String, _ state: AnnouncementState, by node: Int, _ mesh: VirtualMesh) -> [UInt8]
    {
        let wall = mesh.moment(of: node).wall
        let incarnation = mesh.nodes[0].logic.mesh.peerRecord(of: mesh.nodes[node].id)?.version.incarnation ?? 0
        let announcement = Announcement(
            version: Version(incarnation: incarnation, sequence: 1_000),
            validity: Validity(issuedAt: wall, term: 8_000),
            identity: SourceIdentity(model: model, revision: "main", stage: .files), rank: 0, state: state,
            manifest: ManifestID(.zero), introduction: nil, coverageEighths: 8, totalBytes: 1, lanes: [.tcp], slots: 2,
            deviceKind: "cpu")
        return frame(announcement, by: node, mesh)
    }

    private func frame(_ record: some SignedRecord, by node: Int, _ mesh: VirtualMesh) -> [UInt8] {
        mesh.nodes[node].secrets.signer.frame(record, cluster: mesh.cluster.root.anchor.cluster).encoded
    }

    private func refusals(_ frame: [UInt8], from node: Int, at other: Int, _ mesh: inout VirtualMesh) -> [RefusedFrame]
    {
        mesh.nodes[other].changes.removeAll()
        mesh.handle(.message(from: mesh.nodes[node].id, ControlMessage.give(frames: [frame]).encoded), at: other)
        return mesh.nodes[other].changes.compactMap { if case .refused(_, let reason) = $0 { reason } else { nil } }
    }

    @Test("A peer whose token and certificate have ended is forgotten with its offers, and let in nowhere")
    func expired() throws {
        var mesh = try mesh(seed: 60)
        let delegate = VirtualSigner("delegate of a day that ends")
        let end = VirtualCluster.epoch + 20_000
        let grant = mesh.cluster.root.grant(
            delegatedKey: delegate.publicKey, roles: .all, modelPrefixes: [""], certificateLife: 3_600_000,
            notBefore: VirtualCluster.epoch - 1_000, notAfter: end)
        let token = try TokenHolder(anchor: mesh.cluster.root.anchor, grant: grant, delegate: delegate)
        let node = try mesh.start(seeds: [mesh.nodes[0].address], token: token)
        mesh.serve(try VirtualContent.manifest(model: "org/a", chunks: 4), at: node)
        #expect(mesh.run(for: 5 * second) { $0.view(of: 1).count == 1 })
        let life = UInt64(MeshPreset.ten.term + ValidityLimits.skew) * Duration64.millisecond
        mesh.run(for: 20 * second - mesh.now + life + 2 * second)
        for _ in 0..<20 {
            let isForgotten = (0..<3).allSatisfy { !mesh.nodes[$0].logic.mesh.knownPeers.contains(mesh.nodes[node].id) }
            #expect(isForgotten && mesh.view(of: 1).isEmpty, "\(mesh.note)")
            mesh.run(for: second)
        }
        #expect(mesh.nodes[0].changes.contains(.refused(from: nil, reason: .untrusted)), "its greetings are refused")
        #expect(throws: TrustError.self) { try mesh.start(seeds: [mesh.nodes[0].address], token: token) }
    }

    @Test("An announcement beyond its author's roles or models is refused by everybody, signed or not")
    func beyondRoles() throws {
        var mesh = try mesh(seed: 61)
        let narrow = try mesh.start(seeds: [mesh.nodes[0].address], token: try mesh.cluster.token(prefixes: ["lab/"]))
        let reader = try mesh.start(seeds: [mesh.nodes[0].address], token: try mesh.cluster.token(roles: .reader))
        mesh.run(for: 3 * second)
        for (node, model, state) in [
            (narrow, "org/a", .live), (narrow, "org/a", .loading), (narrow, "org/a", .tombstone),
            (reader, "org/a", .live), (reader, "org/a", .loading), (reader, "org/a", .tombstone),
        ] as [(Int, String, AnnouncementState)] {
            let frame = announcement(model, state, by: node, mesh)
            #expect(refusals(frame, from: node, at: 0, &mesh) == [.notPermitted], "\(node) \(state)")
        }
        #expect(refusals(announcement("lab/a", .live, by: narrow, mesh), from: narrow, at: 0, &mesh).isEmpty)
        #expect(refusals(announcement("org/a", .wanting, by: reader, mesh), from: reader, at: 0, &mesh).isEmpty)
    }

    @Test("A record with any one bit altered changes nothing, and the true one is taken after all of them")
    func altered() throws {
        var settings = VirtualMesh.Settings()
        settings.mesh.strikes = .max
        var mesh = VirtualMesh(seed: 62, settings: settings)
        try mesh.startMany(3)
        mesh.run(for: 3 * second)
        let honest = announcement("org/a", .live, by: 1, mesh)
        for bit in stride(from: 0, to: honest.count * 8, by: 3) {
            var altered = honest
            altered[bit / 8] ^= 1 << (bit % 8)
            let refused = refusals(altered, from: 2, at: 0, &mesh).count
            let isWithoutEffect = mesh.nodes[0].changes.count == refused && mesh.view(of: 0).isEmpty
            #expect(isWithoutEffect, "bit \(bit)")
        }
        #expect(mesh.view(of: 0).isEmpty && mesh.nodes[0].logic.mesh.knownPeers.count == 3)
        #expect(mesh.nodes[0].logic.mesh.quarantinedPeers.isEmpty)
        #expect(refusals(honest, from: 2, at: 0, &mesh).isEmpty && mesh.view(of: 0).count == 1)
    }

    @Test("A peer's record that shows another's certificate is refused, on a channel and off it")
    func borrowedChain() throws {
        var mesh = try mesh(seed: 63)
        let victim = try #require(mesh.nodes[0].logic.mesh.peerRecord(of: mesh.nodes[1].id))
        let borrowed = PeerRecord(
            version: Version(incarnation: victim.version.incarnation, sequence: 2_000),
            validity: Validity(issuedAt: mesh.moment(of: 2).wall, term: 8_000), chain: victim.chain,
            endpoints: victim.endpoints, name: "n", zone: "", host: "")
        let bytes = frame(borrowed, by: 2, mesh)
        #expect(refusals(bytes, from: 2, at: 0, &mesh) == [.untrusted])
        mesh.nodes[0].changes.removeAll()
        mesh.handle(.hello(mesh.nodes[2].secrets.curveKey, record: bytes), at: 0)
        #expect(mesh.nodes[0].changes == [.refused(from: nil, reason: .malformed)], "the channel proves another key")
        mesh.handle(.hello(mesh.nodes[1].secrets.curveKey, record: bytes), at: 0)
        #expect(mesh.nodes[0].changes.last == .refused(from: nil, reason: .untrusted))
        #expect(mesh.nodes[0].logic.mesh.peerRecord(of: mesh.nodes[2].id)?.chain.peer == mesh.nodes[2].id)
    }
}
