import Digest
import Mesh
import PeerLogic
import Records
import Testing
import Transfer
import Trust

private let second = Duration64.second
private let minute: Int64 = 60_000

@Suite("A peer that is revoked")
struct RevocationTests {
    /// Peers 0 and 1 have the token of the cluster, 2 and 3 have one that may be revoked; `sources` serve org/a.
    private func mesh(sources: [Int], chunks: Int = 40, seed: UInt64 = 70) throws -> (VirtualMesh, TokenHolder) {
        var mesh = VirtualMesh(seed: seed)
        let token = try mesh.cluster.token(certificateLife: 3_600_000)
        try mesh.startMany(2)
        for _ in 0..<2 { try mesh.start(seeds: [mesh.nodes[0].address], token: token) }
        for node in sources { mesh.serve(try VirtualContent.manifest(model: "org/a", chunks: chunks), at: node) }
        mesh.run(for: 3 * second)
        return (mesh, token)
    }

    private func notice(
        _ subject: RevocationSubject, _ mesh: VirtualMesh, after: Int64 = 0, signer: VirtualSigner? = nil
    ) -> [UInt8] {
        let issuer = signer.map { ClusterRoot(signer: $0) } ?? mesh.cluster.root
        let now = mesh.moment(of: 0).wall
        return issuer.revocationIssuer.revoke(
            subject, notBefore: now + after, until: now + 30 * minute, issuedAt: now, reason: "test"
        ).encoded
    }

    /// Each living node reads it from its own files.
    private func tellAll(_ notice: [UInt8], _ mesh: inout VirtualMesh) {
        for node in mesh.nodes.indices { mesh.handle(.revocation(notice), at: node) }
    }

    @Test("A reader's lease ends at once, and it gets no other")
    func reader() throws {
        var (mesh, token) = try mesh(sources: [0], chunks: 400)
        let pull = mesh.pull("org/a", at: 2)
        #expect(mesh.run(for: 5 * second) { !$0.nodes[0].leases.isEmpty })
        mesh.handle(.revocation(notice(.token(token.grant.value.id), mesh)), at: 0)
        #expect(mesh.nodes[0].leases.isEmpty && mesh.nodes[0].logic.slotsInUse == 0)
        #expect(mesh.nodes[0].hasLogged("revoked"))
        mesh.run(for: 120 * second)
        #expect(mesh.nodes[2].outcome(of: pull) != nil && !mesh.nodes[2].isComplete(pull))
        #expect(mesh.nodes[0].leases.isEmpty)
        let honest = mesh.pull("org/a", at: 1)
        #expect(mesh.run(for: 20 * second) { $0.nodes[1].isComplete(honest) }, "\(mesh.note)")
    }

    @Test("A revoked source is left in the middle of a pull, which ends with the others")
    func source() throws {
        var (mesh, _) = try mesh(sources: [0], chunks: 400)
        // Node 2 has the content with node 0's introduction, so that its end leaves the content as it is.
        let copy = mesh.pull("org/a", at: 2)
        #expect(mesh.run(for: 30 * second) { $0.nodes[2].isComplete(copy) })
        mesh.run(for: second)
        let pull = mesh.pull("org/a", at: 1)
        let bad = mesh.nodes[2].id
        #expect(mesh.run(for: 5 * second) { mesh in mesh.lanes.values.contains { $0.source == 2 && $0.reader == 1 } })
        mesh.handle(.revocation(notice(.peer(bad), mesh)), at: 1)
        #expect(mesh.run(for: 60 * second) { $0.nodes[1].isComplete(pull) }, "\(mesh.note)")
        let sources = try #require(mesh.nodes[1].report(of: pull)).sources
        #expect(sources.first { $0.peer == bad }?.note == "it left")
        #expect(sources.first { $0.peer == mesh.nodes[0].id }?.chunks ?? 0 > 0)
        let again = mesh.pull("org/a", at: 1, number: 2)
        #expect(mesh.run(for: 60 * second) { $0.nodes[1].isComplete(again) }, "\(mesh.note)")
        #expect(mesh.nodes[1].report(of: again)?.sources.allSatisfy { $0.peer != bad } == true)
    }

    @Test("Content that a revoked peer introduced is not pulled, and who has it offers it no more")
    func content() throws {
        var (mesh, token) = try mesh(sources: [2])
        let pull = mesh.pull("org/a", at: 0)
        #expect(mesh.run(for: 10 * second) { $0.nodes[0].isComplete(pull) })
        mesh.run(for: second)
        tellAll(notice(.token(token.grant.value.id), mesh), &mesh)
        mesh.run(for: 30 * second)
        #expect(mesh.nodes[0].logic.mesh.sources(atWall: mesh.moment(of: 0).wall).isEmpty, "\(mesh.view(of: 0))")
        let late = mesh.pull("org/a", at: 1)
        mesh.run(for: 30 * second)
        #expect(mesh.nodes[1].failure(of: late) != nil)
    }

    @Test("An introduction that was revoked is not made again by whoever holds the content")
    func introduction() throws {
        var (mesh, _) = try mesh(sources: [0])
        let pull = mesh.pull("org/a", at: 1)
        #expect(mesh.run(for: 10 * second) { $0.nodes[1].isComplete(pull) })
        let source = try #require(mesh.nodes[1].logic.mesh.sources(atWall: mesh.moment(of: 1).wall).first)
        tellAll(notice(.introduction(try #require(source.announcement.introduction)), mesh), &mesh)
        mesh.run(for: 30 * second)
        #expect(mesh.nodes.allSatisfy { node in mesh.view(of: node.index).isEmpty })
    }

    @Test("A rotated token's introductions are made again before it is revoked, and nothing stops")
    func rotation() throws {
        var (mesh, token) = try mesh(sources: [2], chunks: 40)
        let next = try mesh.cluster.token(certificateLife: 3_000_000)
        tellAll(notice(.token(token.grant.value.id), mesh, after: 2 * minute), &mesh)
        #expect(mesh.nodes[0].hasLogged("will be revoked"))
        mesh.run(for: 30 * second)
        mesh.handle(.token(next), at: 2)
        mesh.run(for: 120 * second)
        let pull = mesh.pull("org/a", at: 0)
        #expect(mesh.run(for: 10 * second) { $0.nodes[0].isComplete(pull) }, "\(mesh.note)")
        #expect(mesh.nodes[0].report(of: pull)?.sources.map(\.peer) == [mesh.nodes[2].id])
        #expect(!mesh.nodes[2].logic.mesh.knownPeers.isEmpty)
        // Node 3 did not take up the new token.
        mesh.run(for: 30 * second)
        #expect(!mesh.nodes[0].logic.mesh.knownPeers.contains(mesh.nodes[3].id))
        #expect(
            mesh.nodes[3].hasLogged("the certificate can't be renewed")
                || mesh.nodes[3].log.contains { $0.message.hasPrefix("this peer is revoked") })
    }

    @Test("A holder without the role origin takes up another's introduction, and offers on when its first one ends")
    func adoption() throws {
        var mesh = VirtualMesh(seed: 71)
        let old = try mesh.cluster.token(certificateLife: 3_600_000)
        let relay = try mesh.cluster.token(roles: [.relay, .reader])
        try mesh.start(seeds: [], token: old)
        try mesh.start(seeds: [mesh.nodes[0].address], token: relay)
        mesh.serve(try VirtualContent.manifest(model: "org/a", chunks: 40), at: 0)
        mesh.run(for: 3 * second)
        let pull = mesh.pull("org/a", at: 1)
        #expect(mesh.run(for: 10 * second) { $0.nodes[1].isComplete(pull) })
        tellAll(notice(.token(old.grant.value.id), mesh, after: 2 * minute), &mesh)
        mesh.handle(.token(try mesh.cluster.token(certificateLife: 3_000_000)), at: 0)
        mesh.run(for: 30 * second)
        mesh.handle(.depart, at: 0)
        mesh.crash(0)
        mesh.run(for: 120 * second)
        #expect(mesh.view(of: 1).count == 1, "\(mesh.note)")
        let late = try mesh.start(seeds: [mesh.nodes[1].address], token: relay)
        tellAll(notice(.token(old.grant.value.id), mesh), &mesh)
        let next = mesh.pull("org/a", at: late)
        #expect(mesh.run(for: 10 * second) { $0.nodes[late].isComplete(next) }, "\(mesh.note)")
    }

    @Test("An origin whose token was revoked at once offers its content again with another token")
    func originComesBack() throws {
        var (mesh, token) = try mesh(sources: [2])
        let revocation = notice(.token(token.grant.value.id), mesh)
        tellAll(revocation, &mesh)
        mesh.run(for: 20 * second)
        #expect(mesh.view(of: 0).isEmpty)
        mesh.handle(.token(try mesh.cluster.token(certificateLife: 3_000_000)), at: 2)
        #expect(mesh.run(for: 10 * second) { !$0.view(of: 2).isEmpty }, "\(mesh.note)")
        let late = try mesh.start(seeds: [mesh.nodes[2].address])
        mesh.handle(.revocation(revocation), at: late)
        let pull = mesh.pull("org/a", at: late)
        #expect(mesh.run(for: 10 * second) { $0.nodes[late].isComplete(pull) }, "\(mesh.note)")
    }

    @Test(
        "A revocation that one peer reads is everybody's at once, joiners included, and the revoked are gone everywhere"
    )
    func spreading() throws {
        var (mesh, token) = try mesh(sources: [2])
        mesh.handle(.revocation(notice(.token(token.grant.value.id), mesh)), at: 1)
        mesh.run(for: second)
        for node in 0..<4 { #expect(mesh.nodes[node].logic.revocationCount == 1, "node \(node)") }
        let honest = [mesh.nodes[0].id, mesh.nodes[1].id].sorted()
        for node in 0..<2 {
            #expect(mesh.nodes[node].logic.mesh.knownPeers == honest, "node \(node)")
            #expect(mesh.view(of: node).isEmpty)
        }
        let joiner = try mesh.start(seeds: [mesh.nodes[0].address])
        let revoked = try mesh.start(seeds: [mesh.nodes[0].address], token: token)
        mesh.run(for: 3 * second)
        #expect(mesh.nodes[joiner].logic.revocationCount == 1)
        #expect(mesh.nodes[joiner].logic.mesh.knownPeers.count == 3)
        #expect(!mesh.nodes[0].logic.mesh.knownPeers.contains(mesh.nodes[revoked].id))
    }

    @Test("A peer that was revoked with its token is back with what it offers once it has another")
    func anotherToken() throws {
        var (mesh, token) = try mesh(sources: [2])
        mesh.handle(.revocation(notice(.token(token.grant.value.id), mesh)), at: 0)
        mesh.run(for: 30 * second)
        #expect(mesh.view(of: 0).isEmpty)
        mesh.handle(.token(try mesh.cluster.token(certificateLife: 3_000_000)), at: 2)
        #expect(
            mesh.run(for: 30 * second) { mesh in (0..<2).allSatisfy { mesh.view(of: $0).count == 1 } }, "\(mesh.note)")
        let pull = mesh.pull("org/a", at: 1)
        #expect(mesh.run(for: 10 * second) { $0.nodes[1].isComplete(pull) }, "\(mesh.note)")
    }

    @Test("Nonsense, and what somebody else than the root signed, changes nothing")
    func falseNotices() throws {
        var (mesh, token) = try mesh(sources: [0])
        let foreign = notice(.token(token.grant.value.id), mesh, signer: VirtualSigner("another root"))
        for bytes in [[], [1, 2, 3], foreign, Array(notice(.peer(mesh.nodes[2].id), mesh).dropLast())] {
            mesh.handle(.revocation(bytes), at: 0)
        }
        #expect(mesh.nodes[0].log.count { $0.message == "a revocation is not believed" } == 4)
        let pull = mesh.pull("org/a", at: 2)
        #expect(mesh.run(for: 10 * second) { $0.nodes[2].isComplete(pull) })
    }
}
