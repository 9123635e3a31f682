/// Which RDMA READs wait, and which are in flight on which rail: the bookkeeping of a lane, without a device.
///
/// A chunk's read is cut into segments. They wait in one queue and go to the rail with the fewest bytes in flight, so that each
/// rail brings as much as it can. What a failed rail had in flight is read again over the others.
struct RDMASchedule {
    /// Bytes that lie together on both sides.
    struct Segment: Hashable {
        /// The chunk's read that it belongs to.
        let read: UInt64
        /// Address in this process.
        let local: UInt64
        /// Which of the read's registrations it lies in.
        let region: Int
        /// Address on the source's side: bytes from its arena's start.
        let remote: UInt64
        let length: Int
    }

    private struct Rail {
        var isUp = true
        var posted = 0
        var bytes = 0
    }

    private var rails: [Rail]
    private var waiting: [Segment] = []
    private var first = 0
    private var posted: [UInt64: (rail: Int, segment: Segment)] = [:]
    private var nextID: UInt64 = 1

    init(rails: Int) { self.rails = [Rail](repeating: Rail(), count: rails) }

    var isAnyUp: Bool { rails.contains(where: \.isUp) }
    var isAnyPosted: Bool { !posted.isEmpty }

    mutating func add(_ segments: [Segment]) { waiting += segments }

    /// The next segment to post and where; nil when none waits or all rails are full.
    mutating func next() -> (rail: Int, id: UInt64, segment: Segment)? {
        guard first < waiting.count else { return nil }
        let segment = waiting[first]
        let open = rails.indices.filter {
            rails[$0].isUp && rails[$0].posted < LaneLimits.rdmaDepth
                && (rails[$0].bytes == 0 || rails[$0].bytes + segment.length <= LaneLimits.rdmaBytesInFlight)
        }
        guard let rail = open.min(by: { rails[$0].bytes < rails[$1].bytes }) else { return nil }
        first += 1
        if first == waiting.count || first == LaneLimits.waitingReads {
            waiting.removeFirst(first)
            first = 0
        }
        let id = nextID
        nextID += 1
        rails[rail].posted += 1
        rails[rail].bytes += segment.length
        posted[id] = (rail, segment)
        return (rail, id, segment)
    }

    /// Takes a posted segment out, which has come; nil for one that isn't posted (any more).
    mutating func complete(_ id: UInt64) -> Segment? {
        guard let (rail, segment) = posted.removeValue(forKey: id) else { return nil }
        rails[rail].posted -= 1
        rails[rail].bytes -= segment.length
        return segment
    }

    /// A rail takes no more; what it has in flight may still come.
    mutating func close(rail: Int) { rails[rail].isUp = false }

    /// A rail is gone, and writes nowhere any more: what it had in flight waits again, before all else.
    mutating func fail(rail: Int) {
        rails[rail] = Rail(isUp: false)
        let lost = posted.filter { $0.value.rail == rail }.sorted { $0.key < $1.key }
        for (id, _) in lost { posted[id] = nil }
        waiting.insert(contentsOf: lost.map(\.value.segment), at: first)
    }

    /// Cuts a chunk: `local` are the pieces of memory where it goes, `remote` where it lies in the source's arena, both in order and
    /// equally long together. `region` tells which registration an address lies in, and where that ends.
    static func segments(
        read: UInt64, local: [(start: UInt64, length: Int)], remote: [(start: UInt64, length: Int)],
        region: (UInt64) -> (index: Int, end: UInt64)
    ) -> [Segment] {
        var segments: [Segment] = []
        var (target, filled) = (0, 0)
        for extent in remote {
            var done = 0
            while done < extent.length, target < local.count {
                let part = local[target]
                let address = part.start + UInt64(filled)
                let place = region(address)
                let length = min(
                    extent.length - done, part.length - filled, LaneLimits.rdmaRead, Int(place.end - address))
                if length > 0 {
                    segments.append(
                        Segment(
                            read: read, local: address, region: place.index, remote: extent.start + UInt64(done),
                            length: length))
                }
                done += length
                filled += length
                if filled == part.length { (target, filled) = (target + 1, 0) }
            }
        }
        return segments
    }
}
