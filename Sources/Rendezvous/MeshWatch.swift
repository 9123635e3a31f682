import Mesh
import Records

/// What changes in the mesh come to over time: how fast each peer receives and serves, which transfers go on and which have
/// ended, and how it was in the last minutes. Fed with every change that the mesh tells; a value without a clock.
///
/// All of it rests on what peers say of themselves, so it is for people, and decides nothing.
struct MeshWatch {
    /// Seconds between two samples, and how many are kept: five minutes.
    static let samplePeriod = 2
    static let samples = 150
    /// Transfers in flight that are followed; more are not seen.
    static let transfersInFlight = 10_000
    /// Ended transfers that are remembered.
    static let transfersEnded = 50
    /// Two beacons that were signed closer together than this say nothing of a speed, milliseconds.
    private static let shortestInterval: Int64 = 100

    private(set) var history = WatchHistory(capacity: samples)
    private(set) var inFlight: [RecordID: WatchedTransfer] = [:]
    /// The latest last.
    private(set) var ended: [WatchedTransfer] = []
    private(set) var endedTotal = 0
    private var speeds: [PeerID: WatchedSpeed] = [:]
    private var names: [PeerID: String] = [:]

    /// Takes a change at `wall`, milliseconds since 1970.
    mutating func take(_ change: MeshChange, atWall wall: Int64) {
        switch change {
        case .record(_, let owner, _, .peerRecord, _, let frame):
            if let record = Self.decode(PeerRecord.self, frame) { names[owner] = record.name }
        case .record(let id, let owner, _, .announcement, _, let frame):
            guard let announcement = Self.decode(Announcement.self, frame) else { return }
            announced(id, owner, announcement, wall)
        case .renewed(let owner, _, _, let frame):
            guard let beacon = Self.decode(Beacon.self, frame) else { return }
            heard(beacon, of: owner)
        case .gone(let peer): left(peer, wall)
        case .record, .channel, .neighbour, .blocked, .revoked, .quarantined, .refused: break
        }
    }

    /// Notes how it is at `wall`.
    mutating func sample(atWall wall: Int64) {
        var sample = WatchSample(peers: names.count)
        for speed in speeds.values {
            sample.receiving += speed.receiving
            sample.slotsInUse += Int(speed.beacon.slotsInUse)
            sample.slots += Int(speed.beacon.slots)
        }
        history.append(sample, atWall: wall)
    }

    /// Bytes a second between the peer's last two beacons; nil before it sent any.
    func speed(of peer: PeerID) -> (serving: Double, receiving: Double)? {
        speeds[peer].map { ($0.serving, $0.receiving) }
    }

    private static func decode<Record: SignedRecord>(_ type: Record.Type, _ frame: [UInt8]) -> Record? {
        (try? SignedFrame(decoding: frame)).flatMap { try? Record(decoding: $0.payload) }
    }

    private mutating func heard(_ beacon: Beacon, of peer: PeerID) {
        guard let last = speeds[peer], last.beacon.version.incarnation == beacon.version.incarnation else {
            speeds[peer] = WatchedSpeed(beacon: beacon)
            return
        }
        let (interval, overflow) = beacon.validity.issuedAt.subtractingReportingOverflow(last.beacon.validity.issuedAt)
        guard !overflow, interval >= Self.shortestInterval else { return }
        speeds[peer] = WatchedSpeed(
            beacon: beacon, serving: Self.rate(from: last.beacon.bytesServed, to: beacon.bytesServed, over: interval),
            receiving: Self.rate(from: last.beacon.bytesReceived, to: beacon.bytesReceived, over: interval))
    }

    private static func rate(from old: UInt64, to new: UInt64, over milliseconds: Int64) -> Double {
        new > old ? Double(new - old) * 1000 / Double(milliseconds) : 0
    }

    private mutating func announced(_ id: RecordID, _ owner: PeerID, _ announcement: Announcement, _ wall: Int64) {
        let isUnderWay =
            switch announcement.state {
            case .wanting, .loading: true
            case .live: announcement.coverageEighths < Announcement.fullCoverage
            case .tombstone: false
            }
        if isUnderWay {
            guard inFlight[id] != nil || inFlight.count < Self.transfersInFlight else { return }
            let began = inFlight[id]?.began ?? wall
            inFlight[id] = WatchedTransfer(
                peer: owner, name: names[owner] ?? "", announcement: announcement, began: began)
        } else if var transfer = inFlight.removeValue(forKey: id) {
            let isComplete = announcement.state == .live
            if isComplete { transfer.announcement = announcement }
            end(transfer, isComplete ? .complete : .withdrawn, wall)
        }
    }

    private mutating func left(_ peer: PeerID, _ wall: Int64) {
        speeds[peer] = nil
        // Its names are gone after this; the order is that of the ids, so that it is the same each time.
        for (id, transfer) in inFlight.filter({ $0.value.peer == peer }).sorted(by: { $0.key < $1.key }) {
            inFlight[id] = nil
            end(transfer, .gone, wall)
        }
        names[peer] = nil
    }

    private mutating func end(_ transfer: WatchedTransfer, _ ending: WatchedTransfer.Ending, _ wall: Int64) {
        var transfer = transfer
        transfer.ending = ending
        transfer.ended = wall
        endedTotal += 1
        ended.append(transfer)
        if ended.count > Self.transfersEnded { ended.removeFirst(ended.count - Self.transfersEnded) }
    }
}

/// A peer's latest beacon, and what it came to since the one before, bytes a second.
private struct WatchedSpeed {
    var beacon: Beacon
    var serving = 0.0
    var receiving = 0.0
}

/// One rank of a model that a peer fills.
struct WatchedTransfer: Hashable {
    enum Ending: String {
        case complete
        case withdrawn
        case gone
    }

    var peer: PeerID
    var name: String
    var announcement: Announcement
    /// When it was first seen and when it ended, milliseconds since 1970.
    var began: Int64
    var ended: Int64?
    var ending: Ending?
}

/// The whole mesh at one moment.
struct WatchSample: Hashable {
    var peers: Int
    /// Bytes a second.
    var receiving = 0.0
    var slotsInUse = 0
    var slots = 0
}

/// The last samples, oldest first.
struct WatchHistory: Hashable {
    let capacity: Int
    private(set) var samples: [WatchSample] = []
    /// When the last one was taken, milliseconds since 1970.
    private(set) var end: Int64?

    init(capacity: Int) { self.capacity = capacity }

    mutating func append(_ sample: WatchSample, atWall wall: Int64) {
        samples.append(sample)
        if samples.count > capacity { samples.removeFirst(samples.count - capacity) }
        end = wall
    }
}
