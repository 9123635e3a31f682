import Foundation
import Records

@testable import Simulation

/// Ways of spreading one rumour that others have published figures of, on the simulator's own queue, clock, dice and network.
struct ReferenceModel {
    /// When each peer that heard of it held it, nanoseconds, ascending; and how often it was sent.
    struct Outcome {
        var times: [UInt64] = []
        var sends = 0

        /// When so large a part of `peers` held it, milliseconds; nil where it never came so far.
        func milliseconds(at share: Double, of peers: Int) -> Double? {
            let count = max(Int((Double(peers) * share).rounded(.up)), 1)
            return count <= times.count ? Double(times[count - 1]) / 1e6 : nil
        }

        /// The part that held it by then.
        func share(within milliseconds: Double) -> Double {
            Double(times.count { Double($0) / 1e6 <= milliseconds }) / Double(times.count)
        }
    }

    private enum Event {
        case arrival(Int)
        case turn(Int)
    }

    let peers: Int
    private var network: Network
    private var generator: SeededGenerator
    private var queue = EventQueue<Event>()

    /// `jitter` is in parts per million.
    init(
        peers: Int, latency: LatencyModel, drawn: NetworkSettings.Drawing = .message, jitter: UInt64 = 0, seed: UInt64
    ) {
        var settings = NetworkSettings()
        (settings.latency, settings.drawn, settings.jitter) = (latency, drawn, Share(millionths: jitter))
        network = Network(settings: settings, zones: 1, seed: seed)
        generator = RandomStreams.generator(seed, .work)
        self.peers = peers
    }

    // MARK: Push

    /// Each who holds it sends it to peers at random: `fanout` at once in each of its periods, `limit` times in all. With
    /// `isAtRandomTimes` one at a time, at random times with the same mean.
    mutating func push(fanout: Int, period: UInt64, limit: Int, isAtRandomTimes: Bool) -> Outcome {
        var (outcome, holds) = (Outcome(), [Bool](repeating: false, count: peers))
        var left = [Int](repeating: limit, count: peers)
        queue.insert(.arrival(0), at: 0)
        while let now = queue.nextTime, !(isAtRandomTimes && outcome.times.count == peers),
            let event = queue.removeFirst()
        {
            switch event {
            case .arrival(let peer):
                guard !holds[peer] else { continue }
                holds[peer] = true
                outcome.times.append(now)
                // Whoever hears it sends with its next turn, and turns are spread evenly.
                let first = isAtRandomTimes ? pause(period) : UInt64.random(in: 0..<period, using: &generator)
                queue.insert(.turn(peer), at: now + first)
            case .turn(let peer):
                for _ in 0..<min(fanout, left[peer]) {
                    let other = (peer + Int.random(in: 1..<peers, using: &generator)) % peers
                    left[peer] -= 1
                    outcome.sends += 1
                    queue.insert(.arrival(other), at: now + network.latency(from: peer, to: other))
                }
                guard left[peer] > 0 else { continue }
                queue.insert(.turn(peer), at: now + (isAtRandomTimes ? pause(period) : period))
            }
        }
        return outcome
    }

    /// Exponentially distributed.
    private mutating func pause(_ mean: UInt64) -> UInt64 {
        UInt64(-log(Double.random(in: 1e-12..<1, using: &generator)) * Double(mean))
    }

    // MARK: Flood

    /// Everybody sends it on to all neighbours but the one that it came from.
    mutating func flood(_ neighbours: [[Int]], from origin: Int) -> Outcome {
        var (outcome, holds) = (Outcome(), [Bool](repeating: false, count: peers))
        queue.insert(.arrival(origin * peers + origin), at: 0)
        while let now = queue.nextTime, case .arrival(let flight)? = queue.removeFirst() {
            let (peer, sender) = (flight / peers, flight % peers)
            guard !holds[peer] else { continue }
            holds[peer] = true
            outcome.times.append(now)
            for other in neighbours[peer] where other != sender {
                outcome.sends += 1
                // A link of the published simulation is as long both ways.
                let latency = network.latency(from: min(peer, other), to: max(peer, other))
                queue.insert(.arrival(other * peers + peer), at: now + latency)
            }
        }
        return outcome
    }

    /// The overlay of gossipsub: each peer has dialled others and been dialled, and takes `degree` of them into its mesh where it has
    /// fewer; who is asked agrees up to `most`.
    mutating func mesh(degree: Int, most: Int, connections: Int) -> [[Int]] {
        var known = [Set<Int>](repeating: [], count: peers)
        for peer in 0..<peers {
            while known[peer].count < connections {
                let other = Int.random(in: 0..<peers, using: &generator)
                guard other != peer, known[peer].insert(other).inserted else { continue }
                known[other].insert(peer)
            }
        }
        var mesh = [[Int]](repeating: [], count: peers)
        for peer in 0..<peers where mesh[peer].count < degree {
            for other in known[peer].sorted().shuffled(using: &generator) where mesh[peer].count < degree {
                guard mesh[other].count < most, !mesh[peer].contains(other) else { continue }
                mesh[peer].append(other)
                mesh[other].append(peer)
            }
        }
        return mesh
    }
}
