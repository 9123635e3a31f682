import Digest
import Mesh
import PeerLogic
import Records
import Testing
import Transfer
import Trust

private let second = Duration64.second

@Suite("Whom a target believes, and whom a source serves")
struct BeliefTests {
    private func serving(chunks: Int = 4, sources: Int = 1) throws -> VirtualMesh {
        var mesh = VirtualMesh(seed: 40)
        try mesh.startMany(3)
        for node in 0..<sources { mesh.serve(try VirtualContent.manifest(model: "org/a", chunks: chunks), at: node) }
        mesh.run(for: 3 * second)
        return mesh
    }

    private func refusal(_ mesh: inout VirtualMesh, at node: Int = 2) -> String? {
        let pull = mesh.pull("org/a", at: node)
        mesh.run(for: 10 * second)
        #expect(mesh.nodes[node].content.isEmpty && !mesh.nodes[node].isComplete(pull))
        switch mesh.nodes[node].failure(of: pull) {
        case .refused(let reason), .notBelieved(let reason): return reason
        default: return nil
        }
    }

    @Test("A manifest whose bytes have another hash is not taken")
    func wrongHash() throws {
        var mesh = try serving()
        mesh.rewrite = { _, message in
            guard case .manifestPage(let request, let total, let offset, var bytes, let proof) = message else {
                return message
            }
            bytes[bytes.count - 1] ^= 1
            return .manifestPage(request: request, total: total, offset: offset, bytes: bytes, proof: proof)
        }
        #expect(refusal(&mesh)?.contains("manifest hash is malformed") == true)
    }

    @Test("A liar doesn't keep the pull from an honest source")
    func oneLiar() throws {
        var mesh = try serving(sources: 2)
        mesh.rewrite = { from, message in
            guard from == 0, case .manifestPage(let request, _, _, _, _) = message else { return message }
            return .manifestPage(request: request, total: 3, offset: 0, bytes: [1, 2, 3], proof: nil)
        }
        for number in UInt64(1)...6 {
            let pull = mesh.pull("org/a", at: 2, number: number)
            #expect(mesh.run(for: 3 * second) { $0.nodes[2].isComplete(pull) }, "\(mesh.note)")
        }
    }

    @Test("A forged introduction, or none, is not taken")
    func forgedIntroduction() throws {
        var mesh = try serving()
        let forger = VirtualSigner("forger")
        let cluster = mesh.cluster.root.anchor.cluster
        mesh.rewrite = { _, message in
            guard case .manifestPage(let request, let total, let offset, let bytes, let proof?) = message else {
                return message
            }
            let forged = IntroductionProof(
                introduction: forger.sign(proof.introduction.value, cluster: cluster), author: proof.author)
            return .manifestPage(request: request, total: total, offset: offset, bytes: bytes, proof: forged)
        }
        #expect(refusal(&mesh)?.contains("signature of the introduction is wrong") == true)
        mesh.rewrite = { _, message in
            guard case .manifestPage(let request, let total, let offset, let bytes, _) = message else { return message }
            return .manifestPage(request: request, total: total, offset: offset, bytes: bytes, proof: nil)
        }
        #expect(refusal(&mesh, at: 1)?.contains("introduction is malformed") == true)
    }

    @Test("The introduction of another model's content is not taken for this one")
    func otherIntroduction() throws {
        var mesh = try serving()
        let other = try VirtualContent.manifest(model: "org/b", chunks: 4)
        mesh.serve(other, at: 0)
        mesh.rewrite = { _, message in
            guard case .manifestPage(let request, let total, let offset, let bytes, _) = message else { return message }
            var swapped = bytes
            // The model's last letter: content of the right size under a name that was never introduced.
            if let index = swapped.firstIndex(of: UInt8(ascii: "a")) { swapped[index] = UInt8(ascii: "b") }
            return .manifestPage(request: request, total: total, offset: offset, bytes: swapped, proof: nil)
        }
        #expect(refusal(&mesh) != nil)
    }

    @Test("A token without the role reader, or for other models, ends a pull at once")
    func noReader() throws {
        var mesh = try serving()
        for token in [
            try mesh.cluster.token(roles: [.origin, .relay]), try mesh.cluster.token(prefixes: ["lab/"]),
        ] {
            let node = try mesh.start(seeds: [mesh.nodes[0].address], token: token)
            mesh.run(for: 2 * second)
            let pull = mesh.pull("org/a", at: node)
            #expect(mesh.nodes[node].failure(of: pull) == .refused("our token has no role `reader` for \"org/a\""))
        }
    }

    @Test("A source refuses a reader whose certificate lacks the role, whatever that one asks for")
    func sourceRefuses() throws {
        var mesh = try serving()
        let node = try mesh.start(seeds: [mesh.nodes[0].address], token: try mesh.cluster.token(roles: .origin))
        mesh.run(for: 2 * second)
        let manifest = try #require(mesh.nodes[0].content.keys.first)
        let asked: [ControlMessage] = [
            .manifestRequest(request: 1, manifest: manifest, offset: 0), .probe(request: 1, manifest: manifest),
            .leaseRequest(request: 1, manifest: manifest, lanes: [.tcp]),
        ]
        for message in asked {
            let effects = mesh.nodes[0].logic.handle(
                .message(from: mesh.nodes[node].id, message.encoded), now: mesh.moment(of: 0))
            let answers = effects.compactMap { effect -> ControlMessage? in
                if case .mesh(.send(_, let answer)) = effect { answer } else { nil }
            }
            #expect(answers == [.refusal(request: 1, code: .notPermitted, retryAfter: 100)])
        }
    }

    @Test("A peer without the role origin serves what others introduced, and nothing of its own")
    func relayOnly() throws {
        var mesh = try serving()
        let relay = try mesh.start(
            seeds: [mesh.nodes[0].address], token: try mesh.cluster.token(roles: [.relay, .reader]))
        mesh.run(for: 2 * second)
        mesh.serve(try VirtualContent.manifest(model: "org/own", chunks: 4), at: relay)
        mesh.run(for: second)
        #expect(mesh.view(of: 1).count == 1)
        #expect(mesh.nodes[relay].log.contains { $0.level == .warning })
        let pull = mesh.pull("org/a", at: relay)
        #expect(mesh.run(for: 3 * second) { $0.nodes[relay].isComplete(pull) && $0.view(of: 1).count == 2 })
        mesh.handle(.depart, at: 0)
        mesh.crash(0)
        mesh.run(for: second)
        let next = mesh.pull("org/a", at: 2)
        #expect(mesh.run(for: 3 * second) { $0.nodes[2].isComplete(next) })
    }

    @Test("A reader without the role relay keeps what it pulled to itself")
    func readerOnly() throws {
        var mesh = try serving()
        let reader = try mesh.start(seeds: [mesh.nodes[0].address], token: try mesh.cluster.token(roles: .reader))
        mesh.run(for: 2 * second)
        let pull = mesh.pull("org/a", at: reader)
        #expect(mesh.run(for: 3 * second) { $0.nodes[reader].isComplete(pull) })
        mesh.run(for: 2 * second)
        #expect(mesh.view(of: 1).count == 1)
    }

    @Test("Whoever sends garbage is blocked for a while, its frames and greetings too, and is back afterwards")
    func garbage() throws {
        var mesh = try serving()
        var generator = SeededGenerator(seed: 41)
        for _ in 0..<300 {
            let bytes = generator.nextBytes(Int.random(in: 0...80, using: &generator))
            mesh.handle(.message(from: mesh.nodes[1].id, bytes), at: 0)
            mesh.handle(.hello(mesh.nodes[1].secrets.curveKey, record: bytes), at: 0)
            mesh.handle(
                .gossip(from: mesh.nodes[1].id, GossipHead(counter: generator.next(), hops: 0), frame: bytes), at: 0)
        }
        #expect(mesh.nodes[0].logic.mesh.blockedPeers == [mesh.nodes[1].id])
        let blocked = mesh.pull("org/a", at: 1)
        #expect(!mesh.run(for: 3 * second) { $0.nodes[1].isComplete(blocked) })
        mesh.run(for: 80 * second)
        #expect(mesh.nodes[0].logic.mesh.blockedPeers.isEmpty)
        let pull = mesh.pull("org/a", at: 1)
        #expect(mesh.run(for: 3 * second) { $0.nodes[1].isComplete(pull) }, "\(mesh.note)")
    }

    @Test("A bootstrap answer with another nonce, of another cluster or of any byte changed is not believed")
    func bootstrapAnswers() throws {
        var mesh = try serving()
        let node = try mesh.start(seeds: [])
        let request = try #require(mesh.nodes[node].logic.bootstrapRequest())
        let other = try #require(mesh.nodes[node].logic.bootstrapRequest())
        let answer = try #require(mesh.nodes[0].logic.bootstrapAnswer(to: request, now: mesh.moment(of: 0)))
        #expect(answer.count <= WireLimits.bootstrapAnswer)
        mesh.handle(.bootstrapAnswered(address: "x", request: other, answer: answer), at: node)
        for index in stride(from: 0, to: answer.count, by: 7) {
            var changed = answer
            changed[index] ^= 1
            mesh.handle(.bootstrapAnswered(address: "x", request: request, answer: changed), at: node)
        }
        #expect(mesh.nodes[node].channels.isEmpty)
        mesh.handle(.bootstrapAnswered(address: "x", request: request, answer: answer), at: node)
        #expect(mesh.nodes[node].channels == [mesh.nodes[0].id])
        let foreign = try #require(BootstrapRequest(cluster: ClusterID(.zero), nonce: request.nonce))
        #expect(mesh.nodes[0].logic.bootstrapAnswer(to: foreign, now: mesh.moment(of: 0)) == nil)
    }
}
