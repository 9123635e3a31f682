import Records

/// Periods and degrees for a mesh of about so many peers (the table in ../anchors of the design: beacons dominate the traffic, so
/// they slow down as the mesh grows). A peer goes by the number of peers that it knows.
package struct MeshPreset: Hashable, Sendable {
    /// The largest mesh that it is meant for, peers.
    package let upTo: Int
    /// Neighbours that a peer keeps in its view.
    package let degree: Int
    /// Of these, how many it chose itself at least: nobody can fill a view from outside.
    package let chosen: Int
    /// How often a peer renews everything that it says with one beacon, nanoseconds.
    package let beaconPeriod: UInt64
    /// How long its records hold without renewal, milliseconds: four beacons.
    package let term: Int64
    /// How long a beacon of another peer waits to be forwarded together with others, nanoseconds; records never wait.
    package let beaconDelay: UInt64
    /// How often one neighbour is exchanged for another, nanoseconds.
    package let shufflePeriod: UInt64
    /// How often a peer that lacks nothing asks a rendezvous, nanoseconds.
    package let rendezvousPeriod: UInt64

    package init(
        upTo: Int, degree: Int, chosen: Int, beaconPeriod: UInt64, term: Int64, beaconDelay: UInt64,
        shufflePeriod: UInt64, rendezvousPeriod: UInt64
    ) {
        self.upTo = upTo
        self.degree = degree
        self.chosen = chosen
        self.beaconPeriod = beaconPeriod
        self.term = term
        self.beaconDelay = beaconDelay
        self.shufflePeriod = shufflePeriod
        self.rendezvousPeriod = rendezvousPeriod
    }

    private static let second = Duration64.second
    private static let millisecond = Duration64.millisecond

    package static let ten = MeshPreset(
        upTo: 32, degree: 6, chosen: 2, beaconPeriod: 2 * second, term: 8_000, beaconDelay: 20 * millisecond,
        shufflePeriod: 10 * second, rendezvousPeriod: 10 * second)
    package static let hundred = MeshPreset(
        upTo: 200, degree: 6, chosen: 2, beaconPeriod: 2 * second, term: 8_000, beaconDelay: 200 * millisecond,
        shufflePeriod: 10 * second, rendezvousPeriod: 20 * second)
    package static let thousand = MeshPreset(
        upTo: 2_000, degree: 8, chosen: 3, beaconPeriod: 5 * second, term: 20_000, beaconDelay: 200 * millisecond,
        shufflePeriod: 10 * second, rendezvousPeriod: 60 * second)
    package static let tenThousand = MeshPreset(
        upTo: .max, degree: 8, chosen: 3, beaconPeriod: 15 * second, term: 60_000, beaconDelay: 500 * millisecond,
        shufflePeriod: 30 * second, rendezvousPeriod: 120 * second)

    package static let all = [ten, hundred, thousand, tenThousand]
}

extension [MeshPreset] {
    /// The preset for `peers`, ascending by size; the present one is kept until the mesh is a quarter below its lower bound, so
    /// that a few peers that come and go change nothing.
    func choose(forPeers peers: Int, present: MeshPreset) -> MeshPreset {
        guard let fitting = first(where: { peers <= $0.upTo }) ?? last else { return present }
        guard fitting.upTo < present.upTo, let index = firstIndex(of: present), index > 0 else { return fitting }
        return peers > self[index - 1].upTo * 3 / 4 ? present : fitting
    }
}
