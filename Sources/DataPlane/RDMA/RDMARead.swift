import Records
import Transfer

/// One chunk's read, ready to be posted: its room, registered with the device of each rail, and its segments.
///
/// `@unchecked Sendable`: the preparing thread hands it to the pump's through that thread's mailbox, and keeps nothing of it.
final class RDMARead: @unchecked Sendable {
    let read: LaneRead
    let room: ChunkRoom
    /// By rail, then by region.
    let keys: [[UInt32]]
    /// What it uses of registered memory.
    let registrations: [DestinationRegions.Key]
    private let pieces: [(start: UInt64, length: Int)]
    private let extents: [(start: UInt64, length: Int)]
    private let slices: [UnsafeMutableRawBufferPointer]
    /// Segments that have not come.
    var missing = 0
    /// Bytes that came and were not told of.
    var untold = 0

    /// Registers the room's memory. Blocks.
    init(
        _ read: LaneRead, _ room: ChunkRoom, _ arena: ArenaLayout, _ rails: [any RDMARail], _ session: LaneSession,
        _ destinations: DestinationRegions
    ) throws(LaneError) {
        self.read = read
        self.room = room
        pieces = room.parts.filter { !$0.isEmpty }.map { (UInt64(UInt(bitPattern: $0.baseAddress)), $0.count) }
        extents = arena.extents(ofChunk: read.chunk, in: session.target.layout).map { ($0.offset, $0.length) }
        let owner: AnyObject = room.isInPlace ? session.target.sink : session.target.buffers
        slices = try Self.slices(of: room, session.target)
        var registrations: [DestinationRegions.Key] = []
        var keys: [[UInt32]] = []
        do throws(RDMAError) {
            for rail in rails {
                var ofRail: [UInt32] = []
                for slice in slices {
                    let registration = try rail.register(slice, of: owner)
                    registrations.append(registration.key)
                    ofRail.append(registration.localKey)
                }
                keys.append(ofRail)
            }
        } catch {
            destinations.release(registrations)
            throw .noResources(error.description)
        }
        self.registrations = registrations
        self.keys = keys
    }

    func segments(as number: UInt64) -> [RDMASchedule.Segment] {
        RDMASchedule.segments(read: number, local: pieces, remote: extents) { address in
            let index = slices.firstIndex { UInt64(UInt(bitPattern: $0.baseAddress)) + UInt64($0.count) > address } ?? 0
            return (index, UInt64(UInt(bitPattern: slices[index].baseAddress)) + UInt64(slices[index].count))
        }
    }

    /// What must be registered: of a destination the slices that the room touches, in order; of a pool the whole buffer.
    private static func slices(
        of room: ChunkRoom, _ target: LaneTarget
    ) throws(LaneError) -> [UnsafeMutableRawBufferPointer] {
        if !room.isInPlace {
            return room.parts.map {
                UnsafeMutableRawBufferPointer(start: $0.baseAddress, count: target.buffers.bufferSize)
            }
        }
        guard let whole = target.sink.mapping, let base = whole.baseAddress else {
            throw .noResources("the destination's memory can't be registered")
        }
        var starts: [UInt] = []
        for part in room.parts where !part.isEmpty {
            let first = UInt(bitPattern: part.baseAddress) - UInt(bitPattern: base)
            for slice in first / LaneLimits.rdmaSlice...(first + UInt(part.count) - 1) / LaneLimits.rdmaSlice
            where starts.last != slice {
                starts.append(slice)
            }
        }
        return starts.map { slice in
            let start = Int(slice * LaneLimits.rdmaSlice)
            return UnsafeMutableRawBufferPointer(
                rebasing: whole[start..<min(start + Int(LaneLimits.rdmaSlice), whole.count)])
        }
    }
}
