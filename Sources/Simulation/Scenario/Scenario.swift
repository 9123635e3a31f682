package import Mesh
import Records

/// What one simulation asks: who is there, what lies between them, what happens to them, and what must come of it.
///
/// Times are nanoseconds. Those of the timeline count from the moment when everybody has joined and the mesh is at rest.
package struct Scenario: Sendable {
    /// As its file is called, without the ending.
    package var name: String
    /// Where it was read from; the command that replays a failure names it.
    package var path: String
    package var peers = 100
    /// Peers with the role server, beside the others.
    package var servers = 1
    /// Of the peers, how many offer a model of their own from the start.
    package var offers = 0
    /// Ordinary peers whose addresses everybody is told too.
    package var knownPeers = 0
    package var zones = 1
    package var join = JoinSettings()
    package var mesh = MeshConfiguration()
    package var network = NetworkSettings()
    package var work = WorkSettings()
    package var timeline: [Step] = []
    /// When the run ends.
    package var end: UInt64 = 10 * Duration64.second
    package var expected: [String: Bound] = [:]
    /// With more peers than this only changes are simulated: all know each other from the start, and nobody sends beacons.
    package var changesOnlyAbove: Int?
    /// How long a certificate lives, milliseconds; at half of that it is made anew, but not sooner than a minute after the last one.
    package var certificateLife = ValidityLimits.certificate
    /// So long after the last step all must agree, nanoseconds; nil: it isn't asked.
    package var liveness: UInt64?

    package init(name: String, path: String) {
        self.name = name
        self.path = path
    }

    /// Whether nothing but changes is simulated: beacons cost each peer what the mesh has of others, so the run would cost the
    /// square of the peers in each period.
    package var isOfChangesOnly: Bool { changesOnlyAbove.map { peers > $0 } ?? false }

    /// Whether anybody's certificate may end or be revoked in a run.
    var endsTrust: Bool {
        certificateLife != ValidityLimits.certificate
            || timeline.contains { step in
                switch step.action {
                case .expire, .revoke, .rotate: true
                default: false
                }
            }
    }

    /// The settings of a peer's mesh in a run of this scenario.
    var meshOfRun: MeshConfiguration {
        guard isOfChangesOnly else { return mesh }
        var mesh = mesh
        mesh.presets = mesh.presets.map { preset in
            MeshPreset(
                upTo: preset.upTo, degree: preset.degree, chosen: preset.chosen,
                beaconPeriod: 3_600 * Duration64.second,
                term: ValidityLimits.term, beaconDelay: preset.beaconDelay, shufflePeriod: preset.shufflePeriod,
                rendezvousPeriod: preset.rendezvousPeriod)
        }
        return mesh
    }
}

/// How the mesh comes to be. Times are nanoseconds.
package struct JoinSettings: Hashable, Sendable {
    /// The peers start at random within this time, the servers at once.
    package var over: UInt64 = 5 * Duration64.second
    /// Whether all start at once and are told of all others, as a server is by its store. Saves most of the time that a large
    /// run takes; but beacons then begin in step, and that nobody is kept out isn't seen.
    package var isWarm = false
    /// How long the mesh rests once everybody knows everybody, before the timeline begins.
    package var settle: UInt64 = 5 * Duration64.second
    /// Joining that takes longer has failed.
    package var limit: UInt64 = 300 * Duration64.second

    package init() {}
}

/// Something that happens at a time.
package struct Step: Hashable, Sendable {
    package var at: UInt64
    package var action: Action

    package init(at: UInt64, _ action: Action) {
        self.at = at
        self.action = action
    }
}

package enum Action: Hashable, Sendable {
    /// A peer offers a model that nobody offered; the way of the announcement is measured under the label.
    case announce(label: String)
    /// The peer that made an announcement takes it back.
    case withdraw(label: String)
    /// Processes end without a word. With `isNoticed` their connections are closed, without it they hang. After `down` a new
    /// process starts in each one's place, if that is given.
    case crash(Selection, isNoticed: Bool, down: UInt64?)
    /// Processes say goodbye and end.
    case depart(Selection, down: UInt64?)
    /// Processes stand still, and go on with what has come meanwhile.
    case pause(Selection, duration: UInt64)
    /// Wall clocks are set ahead or back, milliseconds.
    case skew(Selection, by: Int64)
    /// The selected machines are parted from all others.
    case partition(Selection, blocks: PartitionDirection, duration: UInt64?)
    /// All partitions end.
    case heal
    case loss(gossip: Share?, control: Share?)
    /// From now on it is looked for the moment when a condition holds; how long it took is measured under the label.
    case watch(Condition, label: String)
    case plant(PlantedFault, Selection)
    /// Peers begin to lie, and go on until the end.
    case turn(Selection, into: Misbehaviour)
    /// Peers start anew, and know nobody but a few contacts, of which a share tries to eclipse the mesh.
    case eclipse(Selection, contacts: Int, lying: Share)
    /// Peers are of a newer release from now on: they say what no other knows, beside what all know.
    case upgrade(Selection)
    /// What machines send goes through a link of so many bytes a second.
    case thin(Selection, to: Double, duration: UInt64?)
    /// Processors take so many times as long for everything.
    case slow(Selection, by: Int, duration: UInt64?)
    /// Peers are given a join token that ends after a time, and get no other.
    case expire(Selection, after: UInt64)
    /// The keys of peers are revoked.
    case revoke(Selection)
    /// Peers are given a new join token, as whoever starts from now on; with a time the old one is revoked after it.
    case rotate(Selection, revokesAfter: UInt64?)
    /// The servers end, and come back after a time with what their store held so long before they ended.
    case outage(down: UInt64, rollback: UInt64)
}

/// What a mesh may come to.
package enum Condition: String, Hashable, Sendable, CaseIterable {
    /// Every living peer would choose from exactly what living peers offer.
    case agreement
    /// Every living peer is connected with every other over peers that listen to each other.
    case overlay
}

/// Which machines.
package struct Selection: Hashable, Sendable {
    package enum Amount: Hashable, Sendable {
        case share(Share)
        case count(Int)
    }

    package var amount: Amount
    package var role: MachineRole
    /// Nil: any.
    package var zone: Int?

    func count(of candidates: Int) -> Int {
        switch amount {
        case .share(let share): share.of(candidates)
        case .count(let count): min(count, candidates)
        }
    }

    package init(_ amount: Amount, role: MachineRole = .peer, zone: Int? = nil) {
        self.amount = amount
        self.role = role
        self.zone = zone
    }
}

/// What a metric must keep to.
package enum Bound: Hashable, Sendable {
    case atMost(Double)
    case atLeast(Double)

    func holds(_ value: Double) -> Bool {
        switch self {
        case .atMost(let limit): value <= limit
        case .atLeast(let limit): value >= limit
        }
    }
}
