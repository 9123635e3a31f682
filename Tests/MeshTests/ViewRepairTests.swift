import Digest
import Records
import Testing

@testable import Mesh

@Suite("Words about the view that are lost, and channels that nobody uses")
struct ViewRepairTests {
    private func network(_ count: Int, seed: UInt64) -> MeshNetwork {
        var settings = MeshNetwork.Settings()
        settings.configuration.idleChannel = 6 * Duration64.second
        var network = MeshNetwork(seed: seed, settings: settings)
        network.start(count)
        network.run(3_000)
        return network
    }

    @Test(
        "When the ends of neighbourhoods, or the answers, are lost for a while, both sides soon see it alike again",
        arguments: 0..<2)
    func lostWords(kind: Int) {
        var network = network(30, seed: 10)
        network.isLost = { message in
            switch message {
            case .neighbourEnd: kind == 0
            case .neighbourAnswer: kind == 1
            default: false
            }
        }
        // Something has to change for there to be words about it.
        network.crash(25..<30)
        network.start(4)
        let isTorn = network.run(8_000) { $0.oneSided > 0 }
        #expect(isTorn, "the loss shows")
        network.run(2_000)
        network.isLost = { _ in false }
        #expect(network.run(6_000) { $0.oneSided == 0 && $0.degrees.allSatisfy { $0 >= 5 } }, "\(network.degrees)")
    }

    @Test("A channel that nobody uses is closed on both sides, and one that a transfer uses stays open")
    func idleChannels() throws {
        var network = network(24, seed: 11)
        let others = (1..<24).filter { !network.neighbours(of: 0).contains($0) }
        let (idle, used) = (try #require(others.first), try #require(others.last))
        network.reach(idle, from: 0)
        network.reach(used, from: 0)
        network.run(200)
        let ids = (network.nodes[idle].owner.id, network.nodes[used].owner.id, network.nodes[0].owner.id)
        #expect(network.nodes[0].mesh.hasChannel(to: ids.0) && network.nodes[0].mesh.hasChannel(to: ids.1))
        for second in 0..<12 {
            network.tell(.leaseRenewal(lease: LeaseID(.zero)), from: 0, to: used)
            network.tell(.leaseRenewed(lease: LeaseID(.zero), duration: 1), from: used, to: 0)
            network.run(1_000)
            #expect(
                network.nodes[0].mesh.hasChannel(to: ids.1) && network.nodes[used].mesh.hasChannel(to: ids.2),
                "\(second)")
        }
        if !network.nodes[0].mesh.isNeighbour(ids.0) {
            #expect(!network.nodes[0].mesh.hasEdge(to: ids.0) && !network.nodes[idle].mesh.hasEdge(to: ids.2))
        }
        let spare = network.living.map { network.nodes[$0].mesh.channelCount - network.nodes[$0].mesh.neighbourCount }
        #expect(spare.reduce(0, +) < 24 * 5, "channels are not hoarded: \(spare)")
        #expect(network.agrees, "who hangs up is not gone")
    }

    @Test("A peer that goes away for longer than its term finds back, and others to it")
    func silence() {
        var network = network(24, seed: 12)
        network.sides[3] = 1
        network.run(18_000)
        #expect(
            network.living.allSatisfy {
                $0 == 3 || !network.nodes[$0].mesh.knownPeers.contains(network.nodes[3].owner.id)
            })
        network.sides = [:]
        #expect(network.run(6_000) { $0.agrees && $0.isConnected && $0.oneSided == 0 })
    }
}
