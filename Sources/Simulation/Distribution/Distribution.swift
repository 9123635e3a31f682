import Records
package import Transfer

/// How one release's weights get to its replicas: what a scenario with the key `distribution`, or the flags of `plan`, describe.
///
/// One rank of each replica is simulated: the ranks of a replica read the same amount from the same ranks of others at the same
/// time, each over its part of the machine's NICs.
package struct Distribution: Sendable {
    package var name: String
    /// Where it was read from; the command that replays a failure names it.
    package var path: String
    /// All ranks together, bytes.
    package var modelBytes = 140e9
    package var ranks = 1
    /// Bytes a second of all NICs that a replica's ranks share, each way. 50e9 is 400 Gbit/s.
    package var nic = 50e9
    /// Replicas that have everything at the start.
    package var sources = 1
    /// Replicas that load from a disk at so many bytes a second, all ranks together.
    package var loaders = 0
    package var disk = 5e9
    package var targets = 32
    package var zones = 1
    /// Bytes a second between two zones, each way, all ranks together; nil: no limit.
    package var link: Double?
    /// Of all replicas, how many have NICs of a tenth of the speed.
    package var slow = Share.zero
    /// Chunks that one rank's content is simulated with. Production's have 4 MiB; fewer and larger ones make a run quick, and
    /// its times a little too long.
    package var chunks = 256
    /// Targets start at random within this time, nanoseconds.
    package var start: UInt64 = 0
    /// Replicas of a rolling update that are under way at once; nil: all start.
    package var rolling: Int?
    /// Whether targets serve what they have.
    package var areRelays = true
    package var slots = 4
    /// Sources that a target reads from at once.
    package var fanIn = 4
    /// Others that each replica knows of, as a snapshot tells them, beside those that have everything; nil: all.
    package var known: Int?
    /// One way, nanoseconds.
    package var latency: UInt64 = 250_000
    /// How long an announcement takes to everybody, with the channel that is opened then (e1: 3 ms, and three round trips), and how
    /// often everybody looks at what is announced (`PeerConfiguration.choicePeriod`); nanoseconds.
    package var gossip = 20 * Duration64.millisecond
    package var refresh = 50 * Duration64.millisecond
    /// Settings of the scheduler.
    package var tuning = FanInConfiguration()
    package var faults: [Fault] = []
    /// Hosts beside the others that say they have everything.
    package var liars = SwarmLiars()
    package var mutant: SwarmMutant?
    package var expected: [String: Bound] = [:]
    /// When a run that isn't done has failed, nanoseconds.
    package var limit: UInt64 = 3_600 * Duration64.second

    package init(name: String, path: String) {
        self.name = name
        self.path = path
    }

    /// Something that happens to replicas, chosen at random.
    package struct Fault: Hashable, Sendable {
        package enum Kind: String, Hashable, Sendable, CaseIterable {
            /// Their processes end.
            case kill
            /// They stand still for the rest of the run.
            case freeze
            /// Their memory is at fault: a twentieth of what they serve has wrong bytes.
            case corrupt
        }

        package enum Role: String, Hashable, Sendable, CaseIterable {
            case sources, targets, all
        }

        package var kind: Kind
        package var role: Role
        package var share: Share
        /// Each at a random moment before this part of the time that a lone transfer takes, in percent.
        package var within: Double

        package init(_ kind: Kind, _ role: Role, _ share: Share, within: Double = 100) {
            self.kind = kind
            self.role = role
            self.share = share
            self.within = within
        }
    }

    package var rankBytes: Double { modelBytes / Double(ranks) }
    var rankNIC: Double { nic / Double(ranks) }
    /// Seconds that a rank's bytes need on its part of the NICs, with nothing else.
    package var wireSeconds: Double { rankBytes / rankNIC }
}
