import Digest
import EventThread
import Mesh
import MeshAttacker
import PeerLogic
import Records
import Signing
import Testing
import Trust
import ZeroMQ

@testable import MeshTransport

/// A peer with an honest neighbour, and somebody who has a connection to it and says what it likes.
private struct Stage {
    let cluster = TestCluster()
    let victim: TestCluster.Peer
    let honest: TestCluster.Peer
    let rig: AttackRig

    static func run(_ body: (Stage) async throws -> Void) async throws {
        let stage = try await Stage()
        do {
            try await body(stage)
            #expect(try await stage.victim.isNeighbour(stage.honest))
            #expect(try await stage.honest.isNeighbour(stage.victim))
        } catch {
            await stage.stop()
            throw error
        }
        await stage.stop()
    }

    private func stop() async {
        rig.close()
        await honest.host.stop()
        await victim.host.stop()
    }

    private init() async throws {
        victim = try await cluster.peer()
        honest = try await cluster.peer(seeds: [victim.seed])
        rig = try AttackRig()
        try await eventually("they are neighbours") {
            guard try await victim.isNeighbour(honest) else { return false }
            return try await honest.isNeighbour(victim)
        }
    }

    func connect(_ keys: AttackKeys) async throws -> Int {
        let (port, key) = (victim.endpoints.controlPort, victim.key)
        let link = try await rig.perform { try $0.open(.dealer, toPort: port, of: key, as: keys) }
        try await eventually("it is connected") { try await rig.perform { $0.link(link)?.handshakes == 1 } }
        return link
    }

    /// A link as whom the victim knows and listens to.
    func enter(_ identity: AttackIdentity) async throws -> Int {
        let link = try await connect(identity.keys)
        try await say(identity.hello(atWall: TestCluster.now().wall), on: link)
        try await eventually("it is let in") {
            try await victim.host.query { $0.mesh.peerRecord(of: identity.peer) != nil }
        }
        return link
    }

    func say(_ payload: [UInt8], on link: Int) async throws {
        #expect(try await rig.perform { $0.send([payload], on: link) })
    }

    func give(_ frames: [[UInt8]], on link: Int) async throws {
        try await say(ControlMessage.give(frames: frames).encoded, on: link)
    }

    /// Until everything said before was looked at.
    func settle(_ link: Int) async throws {
        let request = UInt64.random(in: 1 << 40..<1 << 50)
        try await say(ControlMessage.ping(request: request, isNeighbour: false).encoded, on: link)
        let pong = ControlMessage.pong(request: request).encoded
        try await eventually("an answer") { try await rig.perform { $0.link(link)?.received.contains(pong) ?? false } }
    }

    func losses(_ link: Int) async throws -> Int { try await rig.perform { $0.link(link)?.losses ?? 0 } }

    /// The frame of the honest peer's only offer, as the victim holds it.
    func offerFrame() async throws -> [UInt8]? {
        let owner = honest.id
        return try await victim.host.query { logic in
            for case .record(_, owner, _, .announcement, _, let frame) in logic.mesh.everything() { return frame }
            return nil
        }
    }

    func offered() async throws -> Set<String> {
        let now = TestCluster.now().wall
        return try await victim.host.query { Set($0.mesh.sources(atWall: now).map(\.announcement.identity.model)) }
    }

    /// Serves at the honest peer and waits until the victim has heard.
    func serve(_ model: String) async throws -> (content: ServedContent, frame: [UInt8]) {
        let content = try TestCluster.content(model: model)
        honest.host.submit(.serve(content))
        try await eventually("the offer is heard") { try await offered().contains(model) }
        return (content, try #require(try await offerFrame()))
    }
}

extension TestCluster.Peer {
    fileprivate func isNeighbour(_ other: TestCluster.Peer) async throws -> Bool {
        let id = other.id
        return try await host.query { $0.mesh.isNeighbour(id) }
    }
}

private func refused(_ reason: String) -> Double {
    counted("modelexpress_mesh_frames_refused_total{reason=\"\(reason)\"}")
}

private func dropped(_ reason: String) -> Double {
    counted("modelexpress_mesh_frames_dropped_total{reason=\"\(reason)\",socket=\"control\"}")
}

@Suite("Attackers on real sockets", .serialized)
struct AttackTests {
    @Test("A client without a certificate is dropped unread beyond its probation, cut, and refused from then on")
    func stranger() async throws {
        try await Stage.run { stage in
            let before = dropped("unknown")
            let link = try await stage.connect(.unknown())
            let count = TransportLimits.probationMessages + 1
            try await stage.rig.perform { rig in
                for number in 0..<count { _ = rig.send([AttackRig.garbage(number)], on: link) }
            }
            try await eventually("it is cut") { try await stage.losses(link) > 0 }
            try await eventually("and refused") { try await stage.rig.perform { ($0.link(link)?.refusals ?? 0) > 0 } }
            #expect(dropped("unknown") >= before + Double(count))
            #expect(try await stage.victim.host.query { $0.mesh.knownPeers.count } == 2)
        }
    }

    @Test(
        "A chain of another cluster, an expired certificate and one of an expired token are refused",
        arguments: ["cluster", "certificate", "token"])
    func chain(what: String) async throws {
        try await Stage.run { stage in
            let hour: Int64 = 3_600_000
            let now = TestCluster.now().wall
            let token =
                switch what {
                case "cluster": try TestCluster().token()
                case "certificate": try stage.cluster.token(wall: now - 2 * hour)
                default: try stage.cluster.token(wall: now - 2 * hour, life: hour)
                }
            let identity = try AttackIdentity(token: token, wall: what == "cluster" ? now : now - 2 * hour)
            let before = refused("untrusted")
            let link = try await stage.connect(identity.keys)
            try await stage.say(identity.hello(atWall: now), on: link)
            try await eventually("it is refused") { refused("untrusted") > before }
            // On probation: nothing but a greeting is looked at.
            try await stage.give([identity.frame(identity.record(issuedAt: now))], on: link)
            #expect(try await stage.victim.host.query { $0.mesh.peerRecord(of: identity.peer) } == nil)
        }
    }

    @Test("Another's chain, shown on a channel of one's own keys, is refused")
    func stolenChain() async throws {
        try await Stage.run { stage in
            let before = refused("malformed")
            let owner = stage.honest.id
            let record: [UInt8]? = try await stage.victim.host.query { logic in
                for case .record(_, owner, _, .peerRecord, _, let frame) in logic.mesh.everything() { return frame }
                return nil
            }
            let link = try await stage.connect(.unknown())
            try await stage.say(ControlMessage.hello(record: try #require(record)).encoded, on: link)
            try await eventually("it is refused") { refused("malformed") > before }
        }
    }

    @Test("An offer that the certificate's role or model prefixes don't permit is refused", arguments: [true, false])
    func role(isRoleWrong: Bool) async throws {
        try await Stage.run { stage in
            let token = try stage.cluster.token(
                roles: isRoleWrong ? [.reader] : .all, prefixes: isRoleWrong ? [""] : ["mine/"])
            let identity = try AttackIdentity(token: token, wall: TestCluster.now().wall)
            let link = try await stage.enter(identity)
            let before = refused("not_permitted")
            try await stage.give([identity.frame(try offer("theirs/m", issuedAt: TestCluster.now().wall))], on: link)
            try await eventually("it is refused") { refused("not_permitted") > before }
            #expect(try await stage.offered().isEmpty)
        }
    }

    @Test("A replayed offer doesn't undo its withdrawal")
    func replay() async throws {
        try await Stage.run { stage in
            let link = try await stage.enter(try identity(stage))
            let (content, frame) = try await stage.serve("m")
            stage.honest.host.submit(.withdraw(content.id))
            try await eventually("it is withdrawn") { try await stage.offered().isEmpty }
            for _ in 0..<3 { try await stage.give([frame], on: link) }
            try await stage.settle(link)
            #expect(try await stage.offered().isEmpty)
        }
    }

    @Test("Records from the future, with a bit flipped, and in another's name are refused, each for its reason")
    func records() async throws {
        try await Stage.run { stage in
            let attacker = try identity(stage)
            let link = try await stage.enter(attacker)
            let (_, frame) = try await stage.serve("genuine")

            var before = refused("outside_validity")
            let soon = TestCluster.now().wall + ValidityLimits.skew + 60_000
            try await stage.give([attacker.frame(try offer("future", issuedAt: soon))], on: link)
            try await eventually("the future is refused") { refused("outside_validity") > before }

            before = refused("bad_signature")
            let genuine = try SignedFrame(decoding: frame)
            var payload = genuine.payload
            let name = try #require(payload.indices.first { payload[$0...].starts(with: "genuine".utf8) })
            payload[name] ^= 1
            let changed = [
                SignedFrame(
                    purpose: .announcement, author: genuine.author, payload: payload, signature: genuine.signature),
                SignedFrame(
                    purpose: .announcement, author: stage.honest.id,
                    payload: try offer("theirs", issuedAt: TestCluster.now().wall).encoded, signature: genuine.signature
                ),
            ]
            try await stage.give(changed.map(\.encoded), on: link)
            try await eventually("the others are refused") { refused("bad_signature") >= before + 2 }
            try await stage.settle(link)
            #expect(try await stage.offered() == ["genuine"])
        }
    }

    @Test("A forged record with the victim's next version is refused, and the genuine one after it is taken")
    func forgedNext() async throws {
        try await Stage.run { stage in
            let attacker = try identity(stage)
            let link = try await stage.enter(attacker)
            let (content, frame) = try await stage.serve("m")
            let genuine = try SignedFrame(decoding: frame)
            let told = try Announcement(decoding: genuine.payload)
            let before = refused("bad_signature")
            for step in 1...3 as ClosedRange<UInt64> {
                let next = Version(incarnation: told.version.incarnation, sequence: told.version.sequence + step)
                let forged = Announcement(
                    version: next, validity: told.validity, identity: told.identity, rank: told.rank, state: .tombstone,
                    manifest: told.manifest, introduction: told.introduction, coverageEighths: 8,
                    totalBytes: told.totalBytes, lanes: told.lanes, slots: told.slots, deviceKind: told.deviceKind)
                let signed = try SignedFrame(decoding: attacker.frame(forged))
                let inHisName = SignedFrame(
                    purpose: .announcement, author: stage.honest.id, payload: signed.payload,
                    signature: signed.signature)
                try await stage.give([inHisName.encoded], on: link)
            }
            try await eventually("they are refused") { refused("bad_signature") >= before + 3 }
            #expect(try await stage.offered() == ["m"])
            stage.honest.host.submit(.withdraw(content.id))
            try await eventually("the genuine word counts") { try await stage.offered().isEmpty }
            _ = try await stage.serve("n")
        }
    }

    @Test(
        "A frame over its limit is dropped and counted, one far over it never gets into memory; both end the connection"
    )
    func oversized() async throws {
        try await Stage.run { stage in
            let link = try await stage.enter(try identity(stage))
            let before = dropped("oversized")
            try await stage.say([UInt8](repeating: 3, count: WireLimits.controlMessage + 1), on: link)
            try await eventually("it is cut") { try await stage.losses(link) == 1 }
            #expect(dropped("oversized") == before + 1)
            try await eventually("it is back") { try await stage.rig.perform { $0.link(link)?.handshakes == 2 } }
            try await stage.say([UInt8](repeating: 3, count: 64 << 20), on: link)
            try await eventually("it is cut again") { try await stage.losses(link) == 2 }
            #expect(dropped("oversized") == before + 1)
        }
    }

    private func identity(_ stage: Stage) throws -> AttackIdentity {
        try AttackIdentity(token: try stage.cluster.token(), wall: TestCluster.now().wall)
    }

    private func offer(_ model: String, issuedAt: Int64) throws -> Announcement {
        let content = try TestCluster.content(model: model)
        return Announcement(
            version: Version(incarnation: UInt64(issuedAt), sequence: 2),
            validity: Validity(issuedAt: issuedAt, term: 8_000), identity: content.manifest.identity, rank: 0,
            state: .live, manifest: content.id, introduction: nil, coverageEighths: 8, totalBytes: 3, lanes: [.tcp],
            slots: 1, deviceKind: "cpu")
    }
}
