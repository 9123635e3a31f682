import Foundation
import Records
import Testing

@testable import Simulation

/// Before the simulator is believed about us, it must tell of others what they have published.
@Suite("Cross-checks with published figures")
struct CrossCheckTests {
    private static let period = 200 * Duration64.millisecond
    private static let local = LatencyModel.uniform(200_000...1_000_000)

    /// Serf's convergence simulator: x(t) = 1 / (1 + (N + 1) e^(-f t / 2)), t in gossip intervals; here solved for t.
    private static func serf(_ peers: Int, share: Double, fanout: Double) -> Double {
        log(Double(peers + 1) * share / (1 - share)) / (fanout / 2) * 200
    }

    @Test(
        "A push model with the formula's assumptions takes the time of Serf's published formula",
        arguments: [(100, 20), (1_000, 20), (10_000, 2)])
    func serfFormula(peers: Int, seeds: Int) throws {
        // Each who has heard tells half of `fanout` others in an interval, at random times: what the formula integrates. Its
        // time is a mean: how long the first few take is chance.
        let times = try (1...seeds).map { seed in
            var model = ReferenceModel(peers: peers, latency: .constant(0), seed: UInt64(seed))
            let outcome = model.push(fanout: 1, period: Self.period * 2 / 3, limit: 64, isAtRandomTimes: true)
            return try #require(outcome.milliseconds(at: 0.99, of: peers))
        }
        let mean = times.reduce(0, +) / Double(times.count)
        let published = Self.serf(peers, share: 0.99, fanout: 3)
        print("\(peers) peers, 99%: \(Int(mean)) ms, Serf's formula \(Int(published)) ms")
        #expect(abs(mean / published - 1) < 0.15)
    }

    @Test("As memberlist sends, three at once in each interval, it is quicker than that, at a send limit of its own")
    func memberlist() throws {
        let peers = 1_000
        let limit = 4 * Int(log10(Double(peers + 1)).rounded(.up))
        var model = ReferenceModel(peers: peers, latency: Self.local, seed: 1)
        let outcome = model.push(fanout: 3, period: Self.period, limit: limit, isAtRandomTimes: false)
        let time = try #require(outcome.milliseconds(at: 0.99, of: peers))
        #expect(time < Self.serf(peers, share: 0.99, fanout: 3) && time > 500)
        #expect(outcome.sends <= peers * limit && outcome.sends > peers * limit * 9 / 10)
    }

    /// Published for 1,000 peers, 60 messages, links of 10 to 150 ms with a tenth of jitter, 20 connections, a degree of 6: 6.29 sends
    /// a delivery; 36.9% of deliveries within 200 ms, 97.8% within 300 ms, all within 400 ms.
    @Test("A flood over gossipsub's overlay reproduces its published histogram")
    func gossipsub() throws {
        let peers = 1_000
        var (within200, within300, sends, deliveries, last) = (0.0, 0.0, 0, 0, 0.0)
        let seeds = 5
        for seed in 1...UInt64(seeds) {
            var model = ReferenceModel(
                peers: peers, latency: .uniform(10_000_000...150_000_000), drawn: .pair, jitter: 100_000, seed: seed)
            // Who has dialled ten has been dialled by ten.
            let overlay = model.mesh(degree: 6, most: 12, connections: 10)
            for origin in 0..<5 {
                let outcome = model.flood(overlay, from: origin * 199)
                #expect(outcome.times.count == peers)
                within200 += outcome.share(within: 200)
                within300 += outcome.share(within: 300)
                sends += outcome.sends
                deliveries += outcome.times.count
                last = max(last, Double(outcome.times.last ?? 0) / 1e6)
            }
        }
        let runs = Double(5 * seeds)
        let cost = Double(sends) / Double(deliveries)
        print(
            "within 200 ms \(within200 / runs), published 0.369; within 300 ms \(within300 / runs), published 0.978; "
                + "all within \(Int(last)) ms, published 400; \(cost) sends, published 6.29")
        #expect(abs(within200 / runs - 0.369) < 0.12)
        #expect(abs(within300 / runs - 0.978) < 0.03)
        #expect(last < 400)
        #expect(abs(cost / 6.29 - 1) < 0.1)
    }
}
