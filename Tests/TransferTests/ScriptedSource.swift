import Digest
import Records
import Transfer

/// How one source behaves towards a pull. Times are nanoseconds.
struct ScriptedSource {
    var lanes: [LaneKind] = [.tcp]
    /// What it has at the start; nil is everything.
    var have: [Int]?
    /// Chunks that it gets later, and when it tells its lease holders.
    var later: [(at: UInt64, chunk: Int)] = []
    var latency = Duration64.millisecond
    var readTime = 10 * Duration64.millisecond
    var answersProbes = true
    var answersLeases = true
    var answersRenewals = true
    var delivers = true
    /// Probes are answered without a reservation until then.
    var isBusyUntil: UInt64 = 0
    /// Lease requests are refused so.
    var refusal: RefusalCode?
    var failingLanes: Set<LaneKind> = []
    /// What becomes of each read; nil: it arrives.
    var failure: ReadFailure?
    var window: UInt16 = 4
    var leaseMilliseconds: UInt32 = 10_000
    /// From then on its lanes are closed and nothing is answered.
    var diesAt = UInt64.max
    var freeSlots = 2
    /// When it stands still: nothing arrives, and what was under way comes afterwards.
    var frozen: Range<UInt64> = 0..<0
    /// Whether its lanes tell of bytes before a read is done.
    var tellsArrivals = false
    var closeness = Closeness.far

    /// When something that would come at `time` does come.
    func thawed(_ time: UInt64) -> UInt64 { frozen.contains(time) ? frozen.upperBound : time }

    static func peer(_ index: Int) -> PeerID { PeerID(SHA256.digest([UInt8(truncatingIfNeeded: index), 1])) }

    func haveMap(_ layout: Layout, at time: UInt64) -> ChunkSet {
        var map = ChunkSet(chunkCount: layout.chunkCount, full: have == nil)
        for chunk in have ?? [] { map.insert(chunk) }
        for entry in later where entry.at <= time { map.insert(entry.chunk) }
        return map
    }
}
