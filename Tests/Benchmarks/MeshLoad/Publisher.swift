import Mesh
import Records
import Trust

/// What a publishing load is like. Times are nanoseconds, the term milliseconds.
struct Publishing: Sendable {
    var publishers: Int
    /// Announcements of each.
    var records: Int
    var beaconPeriod: UInt64
    var term: Int64
    /// Of a hundred publishers, how many fall silent, and when.
    var stopShare: Int
    var stopAfter: UInt64
    /// Where the ids of those that live on are written; nil for nowhere.
    var livingFile: String?
}

/// One peer that is not there but for what it says: records and beacons made by the code that makes those of real peers.
struct Publisher: Sendable {
    let identity: LoadIdentity
    private var mesh: Mesh
    private var authority: LoadAuthority
    private let period: UInt64
    private(set) var nextBeacon: UInt64 = 0

    init(number: Int, token: TokenHolder, _ load: Publishing, now: Moment) throws {
        identity = try LoadIdentity(token: token, wall: now.wall)
        authority = LoadAuthority(identity: identity)
        period = load.beaconPeriod
        var configuration = MeshConfiguration()
        configuration.presets = [
            MeshPreset(
                upTo: .max, degree: 1, chosen: 1, beaconPeriod: load.beaconPeriod, term: load.term,
                beaconDelay: Duration64.second, shufflePeriod: 3_600 * Duration64.second,
                rendezvousPeriod: 3_600 * Duration64.second)
        ]
        mesh = Mesh(
            local: identity.peer, configuration: configuration,
            presence: OwnPresence(name: "publisher-\(number)", zone: "zone-\(number % 8)", host: "host-\(number)"),
            incarnation: UInt64(now.wall), seeds: [], generator: SeededGenerator(seed: UInt64(number)))
        _ = mesh.present(
            chain: identity.chain, endpoints: LoadIdentity.nowhere, now: now, authority: &authority)
        for record in 0..<load.records {
            let identity = SourceIdentity(
                model: "load/model-\(number / 20 + record * 1_000)", revision: "main", stage: .files)
            let offer = OwnOffer(
                identity: identity, rank: 0, state: .live, manifest: ManifestID(self.identity.peer.digest),
                introduction: nil, coverageEighths: 8, totalBytes: 1 << 30, lanes: [.tcp], slots: 2)
            _ = mesh.announce(offer, now: now, authority: &authority)
        }
    }

    /// Everything that it says, with a fresh beacon: its own record first.
    mutating func everything(now: Moment) -> [[UInt8]] {
        renew(now: now)
        var (records, beacons): ([[UInt8]], [[UInt8]]) = ([], [])
        for change in mesh.everything() {
            switch change {
            case .record(_, _, _, _, _, let frame): records.append(frame)
            case .renewed(_, _, _, let frame): beacons.append(frame)
            default: break
            }
        }
        return Array(records.prefix(1)) + beacons + records.dropFirst()
    }

    /// Its next beacon alone.
    mutating func beacon(now: Moment) -> [UInt8]? {
        renew(now: now)
        for case .renewed(_, _, _, let frame) in mesh.everything() { return frame }
        return nil
    }

    private mutating func renew(now: Moment) {
        _ = mesh.handle(.tick, now: now, authority: &authority)
        // After the mesh's own time for it, which varies by a tenth; not all at once.
        nextBeacon = now.monotonic + period * 11 / 10 + UInt64.random(in: 0...period / 10)
    }
}
