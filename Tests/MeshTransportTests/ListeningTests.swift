import EventThread
import MeshAttacker
import Records
import Signing
import Testing
import ZeroMQ

@testable import MeshTransport

@Suite("Sockets that others connect to", .serialized)
struct ListeningTests {
    /// Three peers who are neighbours and have talked.
    private func three() async throws -> [SocketPeer] {
        let peers = [try await SocketPeer(), try await SocketPeer(), try await SocketPeer()]
        for one in peers { for other in peers where other !== one { try await one.meet(other) } }
        for one in peers {
            for other in peers where other !== one {
                try await one.reach(other, number: 1)
                try await one.reachByGossip(other, from: 0)
            }
        }
        return peers
    }

    @Test(
        "Binding anew ends every connection, and neighbours are back by themselves with nothing lost that was heard before"
    )
    func rebind() async throws {
        let peers = try await three()
        let (here, others) = (peers[0], peers[1...])
        let before = here.messages.all
        try await here.with { sockets in
            sockets.rebind(.control)
            sockets.rebind(.gossip)
        }
        for other in others {
            try await eventually("the connection ended") { other.disconnected.all.contains(here.id) }
        }
        // At most once in a minute.
        let rebinds = counted("modelexpress_mesh_rebinds_total{socket=\"control\"}")
        try await here.with { $0.rebind(.control) }
        #expect(counted("modelexpress_mesh_rebinds_total{socket=\"control\"}") == rebinds)
        for other in others {
            try await other.reach(here, number: 2)
            try await here.reach(other, number: 2)
            try await here.reachByGossip(other, from: 1_000_000)
        }
        #expect(Array(here.messages.all.prefix(before.count)) == before)
        for peer in peers { try await peer.close() }
    }

    @Test("A hundred times bound anew the port is still ours, and a new peer gets in")
    func rebindOften() async throws {
        let (here, other) = (try await SocketPeer(), try await SocketPeer())
        try await here.meet(other)
        try await other.meet(here)
        for number in 0..<100 {
            try await here.with { sockets in
                for role in SocketRole.allCases {
                    sockets.listening[role]?.nextRebind = 0
                    sockets.rebind(role)
                }
            }
            if number % 20 == 0 { try await other.reach(here, number: UInt64(number)) }
        }
        try await other.reach(here, number: 1_000)
        try await here.reachByGossip(other, from: 2_000)
        let late = try await SocketPeer()
        try await here.meet(late)
        try await late.meet(here)
        try await late.reach(here, number: 2_000)
        for peer in [here, other, late] { try await peer.close() }
    }

    @Test("A blocked key's connections are cut and stay refused, and nobody else's are")
    func block() async throws {
        let peers = try await three()
        let (here, bad, good) = (peers[0], peers[1], peers[2])
        let (id, key) = (bad.id, bad.key)
        let cut = counted("modelexpress_mesh_connections_cut_total{reason=\"blocked\",socket=\"control\"}")
        try await here.with { $0.block(id, key, forNanoseconds: 3_600 * Duration64.second) }
        try await eventually("it is cut off") { bad.disconnected.all.contains(here.id) }
        #expect(counted("modelexpress_mesh_connections_cut_total{reason=\"blocked\",socket=\"control\"}") == cut + 1)
        for number in 0..<20 { try await bad.send(.pong(request: UInt64(50 + number)), to: here) }
        try await good.reach(here, number: 3)
        try await here.reach(good, number: 3)
        #expect(!here.messages.all.contains { $0[1] >= 50 })
        #expect(good.disconnected.all.isEmpty)
        for peer in peers { try await peer.close() }
    }

    @Test("A key that libzmq let in before its block is dropped by its user id, its connection cut at its first word")
    func blockedConnection() async throws {
        let (here, other) = (try await SocketPeer(), try await SocketPeer())
        try await here.meet(other)
        let rig = try AttackRig()
        let keys = AttackKeys(publicKey: other.key, secretKey: other.secrets.curveSecretKey)
        let (port, server) = (here.endpoints.controlPort, here.key)
        let link = try await rig.perform { try $0.open(.dealer, toPort: port, of: server, as: keys) }
        try await eventually("it is connected") { try await rig.perform { $0.link(link)?.handshakes == 1 } }
        let dropped = counted("modelexpress_mesh_frames_dropped_total{reason=\"blocked\",socket=\"control\"}")
        // The admissions alone: as if the connection were one that nothing is known of.
        let key = other.key
        try await here.with { $0.admissions.block(key, until: .max) }
        #expect(try await rig.perform { $0.send([[1, 2, 3]], on: link) })
        try await eventually("it is cut") { try await rig.perform { ($0.link(link)?.losses ?? 0) > 0 } }
        try await eventually("and refused") { try await rig.perform { ($0.link(link)?.refusals ?? 0) > 0 } }
        #expect(counted("modelexpress_mesh_frames_dropped_total{reason=\"blocked\",socket=\"control\"}") == dropped + 1)
        #expect(here.messages.count == 0)
        rig.close()
        for peer in [here, other] { try await peer.close() }
    }

    @Test("The end of a neighbour's control connection is told at once")
    func disconnected() async throws {
        let (here, other) = (try await SocketPeer(), try await SocketPeer())
        try await here.meet(other)
        try await other.meet(here)
        try await here.reach(other, number: 1)
        #expect(here.disconnected.all.isEmpty)
        let id = other.id
        try await other.close()
        try await eventually("it is told") { here.disconnected.all == [id] }
        try await here.close()
    }

    @Test(
        "Whom we have a channel to may listen before its greeting has come; whom we don't hears soon after it was let in"
    )
    func earlyListener() async throws {
        let (here, early, late) = (try await SocketPeer(), try await SocketPeer(), try await SocketPeer())
        let (id, key, endpoints) = (early.id, early.key, early.endpoints)
        try await here.with { $0.connect(id, key, endpoints, now: MonotonicClock.now()) }
        try await early.meet(here)
        let refusals = counted("modelexpress_zap_decisions_total{decision=\"refused\"}")
        try await here.reachByGossip(early, from: 0)
        #expect(counted("modelexpress_zap_decisions_total{decision=\"refused\"}") == refusals)

        try await late.meet(here)
        try await eventually("it is refused") {
            counted("modelexpress_zap_decisions_total{decision=\"refused\"}") > refusals
        }
        let (lateID, lateKey) = (late.id, late.key)
        try await here.with { $0.admit(lateKey, as: lateID) }
        try await here.reachByGossip(late, from: 0)
        for peer in [here, early, late] { try await peer.close() }
    }

    @Test("A stranger's connection that says nothing, and one of too many, are cut")
    func strangers() async throws {
        var table = ConnectionTable(isServer: true, bound: 4)
        let pairs = try (0..<6).map { _ in try SocketPair() }
        for (index, pair) in pairs.prefix(4).enumerated() {
            let crowd = table.opened(pair.near, now: UInt64(index))
            #expect(crowd.isEmpty)
        }
        table.prove(pairs[0].near)
        let oldest = try #require(TCPConnection(descriptor: pairs[1].near))
        let crowd = table.opened(pairs[4].near, now: 10)
        #expect(crowd == [oldest])
        table.cut(oldest)
        #expect(table.connection(pairs[1].near) == nil)
        #expect(oldest.cut())
        let late = table.judge(now: 3 + TransportLimits.strangerTime)
        #expect(Set(late.map { $0.0.descriptor }) == [pairs[2].near])
        #expect(late.allSatisfy { $0.1 == .stranger })
        withExtendedLifetime(pairs) {}
    }
}
