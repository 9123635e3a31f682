import Mesh
import Records

/// What went over the network since the timeline began.
struct Traffic {
    struct Count {
        var messages = 0
        var bytes = 0

        mutating func add(_ size: Int) {
            messages += 1
            bytes += size
        }
    }

    private(set) var gossip = Count()
    private(set) var control = Count()
    /// By the first byte of a control message, which tells its kind.
    private(set) var controlKinds = [Count](repeating: Count(), count: 256)
    /// Frames that gossip brought, new ones and those that had been seen, as the peers count them.
    private(set) var delivered = 0
    private(set) var duplicates = 0
    var gossipLost = 0
    var controlLost = 0
    /// Messages for which there was no channel.
    var notTaken = 0
    var queueDrops = 0
    var recordsHeld = 0
    /// Offers of peers that run, as others that run looked for them, and how many of those they didn't see.
    /// Times that a peer that runs and is certified was held for gone.
    var wronglyGone = 0
    var looks = 0
    var hidden = 0
    /// The part of the time that the busiest honest peer's thread worked, percent.
    var busiest = 0.0
    /// Living peers times nanoseconds.
    private(set) var peerTime = 0.0
    private var living = 0
    private var livingSince: UInt64 = 0

    /// Counts from now on.
    mutating func begin(living: Int, at time: UInt64) {
        self = Traffic()
        self.living = living
        livingSince = time
    }

    /// What peers counted up to now belongs to what is counted here, or not.
    mutating func add(_ statistics: MeshStatistics, isBefore: Bool) {
        delivered += (isBefore ? -1 : 1) * Int(statistics.delivered)
        duplicates += (isBefore ? -1 : 1) * Int(statistics.duplicates)
    }

    /// So many peers live from now on.
    mutating func note(living: Int, at time: UInt64) {
        peerTime += Double(self.living) * Double(time - livingSince)
        self.living = living
        livingSince = time
    }

    mutating func sentGossip(bytes: Int) { gossip.add(bytes) }

    mutating func sentControl(_ bytes: [UInt8]) {
        control.add(bytes.count)
        if let kind = bytes.first { controlKinds[Int(kind)].add(bytes.count) }
    }

    var metrics: [(MetricName, Double?)] {
        let peerSeconds = peerTime / Double(Duration64.second)
        func rate(_ count: Int) -> Double? { peerSeconds > 0 ? Double(count) / peerSeconds : nil }
        return [
            (.gossipMessages, rate(gossip.messages)), (.gossipBytes, rate(gossip.bytes)),
            (.controlMessages, rate(control.messages)), (.controlBytes, rate(control.bytes)),
            (.copies, delivered > 0 ? Double(delivered + duplicates) / Double(delivered) : nil),
            (.hidden, looks > 0 ? Double(hidden) / Double(looks) * 100 : nil), (.busiest, busiest),
            (.records, Double(recordsHeld)), (.wronglyGone, Double(wronglyGone)),
            (.lost, Double(gossipLost)), (.dropped, Double(queueDrops)),
        ]
    }
}
