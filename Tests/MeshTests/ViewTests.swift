import Records
import Testing

@testable import Mesh

@Suite("The view of sixty peers")
struct ViewTests {
    /// Sixty peers that have been together for a few seconds; each test goes on with a copy.
    private static let settled = {
        var network = MeshNetwork(seed: 1)
        network.start(60)
        network.run(4_000)
        return network
    }()

    /// Whether every peer has as many neighbours as it should, and each is one of its neighbours' too.
    private func isEven(_ network: MeshNetwork) -> Bool {
        network.degrees.allSatisfy { (5...7).contains($0) } && network.oneSided == 0
    }

    @Test(
        "Within seconds each has from five to seven neighbours that have it too, two of its own choice, and all are connected"
    )
    func settling() {
        var network = Self.settled
        #expect(isEven(network), "degrees \(network.degrees)")
        #expect(network.isConnected && network.agrees)
        let hasChosen = network.run(12_000) { network in network.living.allSatisfy { network.chosen(at: $0) >= 2 } }
        #expect(hasChosen)
        #expect(network.living.allSatisfy { network.nodes[$0].mesh.fewest == 5 })
    }

    @Test("Shuffles change the graph, and keep it even and connected")
    func shuffles() {
        var network = Self.settled
        let before = network.edges
        var even = 0
        for _ in 0..<14 {
            network.run(1_000)
            #expect(network.isConnected && network.agrees, "at \(network.now) ms")
            #expect(network.degrees.allSatisfy { (4...7).contains($0) }, "at \(network.now) ms: \(network.degrees)")
            if isEven(network) { even += 1 }
        }
        #expect(even >= 9, "\(even) of 14 seconds")
        let kept = network.edges.intersection(before).count
        #expect(kept < before.count * 3 / 4, "\(kept) of \(before.count) edges are the same")
        #expect(network.living.count { network.chosen(at: $0) < 2 } <= 4)
    }

    @Test("When half of all crash at once, the others are connected within seconds, and soon know just each other")
    func crash() {
        var network = Self.settled
        network.crash((0..<60).filter { $0 % 2 == 0 })
        #expect(network.run(8_000) { $0.isConnected && $0.degrees.allSatisfy { $0 >= 4 } }, "\(network.degrees)")
        let life = UInt64(10_000 + ValidityLimits.skew)
        #expect(network.run(life + 1_000) { $0.agrees }, "at \(network.now) ms")
        network.announce("after", at: 31)
        #expect(network.run(1_000) { $0.hearers(of: "after") == 30 })
    }

    @Test("Two halves that were apart for longer than a term are one mesh again within seconds")
    func partition() {
        var network = MeshNetwork(seed: 3)
        network.start(40)
        network.run(2_000)
        for index in 20..<40 { network.sides[index] = 1 }
        network.run(18_000)
        let isApart = network.living.allSatisfy { network.knowsExactly(Array($0 < 20 ? 0..<20 : 20..<40), at: $0) }
        #expect(isApart)
        network.sides = [:]
        #expect(network.run(4_000) { $0.agrees })
        #expect(network.run(6_000) { $0.isConnected && isEven($0) }, "\(network.degrees)")
    }

    @Test("With a quarter of all gossip lost an announcement reaches everybody within two and a half seconds")
    func loss() {
        var network = Self.settled
        network.settings.gossipLossPercent = 25
        for index in [7, 33, 58] {
            network.announce("model \(index)", at: index)
            #expect(network.run(2_500) { $0.hearers(of: "model \(index)") == 60 }, "\(index)")
        }
        #expect(network.nodes.contains { $0.mesh.statistics.missed > 0 && $0.mesh.statistics.repaired > 0 })
        #expect(network.agrees)
    }

    @Test(
        "A mesh that grows over the direct limit lets go of most neighbours, and takes everybody when it is small again"
    )
    func growth() {
        var network = MeshNetwork(seed: 5)
        network.start(14)
        #expect(network.run(3_000) { $0.degrees.allSatisfy { $0 == 13 } })
        network.start(10)
        #expect(network.run(3_000) { $0.agrees && isEven($0) && $0.isConnected }, "\(network.degrees)")
        for index in 14..<24 {
            network.depart(index)
            network.run(300)
        }
        #expect(network.run(1_000) { $0.agrees })
        #expect(network.run(10_000) { $0.degrees.allSatisfy { $0 == 13 } }, "\(network.degrees)")
    }

    @Test("Where there are zones, each peer has neighbours in its own and in others")
    func zones() {
        var settings = MeshNetwork.Settings()
        settings.zones = ["a", "b", "c", "d", "e", "f"]
        var network = MeshNetwork(seed: 6, settings: settings)
        network.start(48)
        func isMixed(_ network: MeshNetwork) -> Bool {
            network.living.allSatisfy { index in
                let inside = network.neighbours(of: index).count { $0 % 6 == index % 6 }
                return inside >= 1 && inside < network.neighbours(of: index).count
            }
        }
        network.run(2_000)
        #expect(network.run(20_000) { isMixed($0) && $0.isConnected })
    }
}
