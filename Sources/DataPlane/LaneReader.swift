package import Records
package import Transfer

/// Tells one lane from all others of a pull, its earlier generations included.
package struct LaneTag: Hashable, Sendable {
    package let lease: LeaseID
    package let kind: LaneKind
    /// Counts how often the pull opened this kind of lane under this lease.
    package let generation: UInt64

    package init(lease: LeaseID, kind: LaneKind, generation: UInt64) {
        self.lease = lease
        self.kind = kind
        self.generation = generation
    }
}

/// What happens on a lane. First (but for `paths`) `opened` or `openFailed` (neither when it is closed before); `closed` is the
/// last, but for the failures of reads that are asked for after the lane began to close.
package enum LaneEvent: Sendable, Equatable {
    case opened(LaneTag)
    /// The devices, ports and addresses that the lane runs over, each with why, for people; before `opened`, by lanes that chose.
    case paths(LaneTag, [String])
    case openFailed(LaneTag, LaneError)
    /// Bytes of reads under way have come since this lane last said so. Said now and then, so never for quick reads.
    case arrived(LaneTag, bytes: Int)
    /// The chunk's bytes agree with the manifest and are in the sink.
    case verified(LaneTag, chunk: Int, bytes: Int)
    /// The chunk's bytes agree with the manifest and wait for their place; the outcome of a read into a bounce chunk.
    case bounced(LaneTag, chunk: Int, bytes: Int, BouncedChunk)
    /// The read is over. What it may have written to the sink is not what belongs there.
    case failed(LaneTag, chunk: Int, LaneError)
    /// No byte of this lane goes to the sink any more.
    case closed(LaneTag)
}

/// One read of a lane: which chunk, and where its bytes go.
package struct LaneRead: Hashable, Sendable {
    package let chunk: Int
    package let place: ReadPlace

    package init(chunk: Int, into place: ReadPlace = .destination) {
        self.chunk = chunk
        self.place = place
    }
}

/// One way to read chunks of a source: for one lease, over one kind of lane.
///
/// Each call of `read` gets exactly one outcome, `verified`, `bounced` or `failed`. Nobody here judges slowness: a source that hangs is
/// the caller's matter, who calls `close` when a deadline has passed. A lane whose connection ends closes itself. Close a lane before letting it go.
package protocol LaneReader: AnyObject, Sendable {
    var tag: LaneTag { get }
    /// Asks for a whole chunk of the layout and returns at once. Any thread. Before `opened` it waits for that; after the
    /// lane has begun to close it fails, from within this call.
    func read(_ read: LaneRead)
    /// Ends the lane by force and returns at once. Reads in flight fail. Any thread, any number of times.
    func close()
}

extension LaneReader {
    package func read(chunk: Int) { read(LaneRead(chunk: chunk)) }
}
