package import Records

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

/// What happens on a lane. First `opened` or `openFailed` (neither when it is closed before); `closed` is the
/// last, but for the failures of reads that are asked for after the lane began to close.
package enum LaneEvent: Sendable, Equatable {
    case opened(LaneTag)
    case openFailed(LaneTag, LaneError)
    /// The chunk's bytes agree with the manifest and are in the sink.
    case verified(LaneTag, chunk: Int, bytes: Int)
    /// The read is over, and nothing of it went to the sink.
    case failed(LaneTag, chunk: Int, LaneError)
    /// No byte of this lane goes to the sink any more.
    case closed(LaneTag)
}

/// One way to read chunks of a source: for one lease, over one kind of lane.
///
/// Each call of `read` gets exactly one outcome, `verified` or `failed`. Nobody here judges slowness: a source that hangs is
/// the caller's matter, who calls `close` when a deadline has passed. A lane whose connection ends closes itself. Close a lane before letting it go.
package protocol LaneReader: AnyObject, Sendable {
    var tag: LaneTag { get }
    /// Asks for a whole chunk of the layout and returns at once. Any thread. Before `opened` it waits for that; after the
    /// lane has begun to close it fails, from within this call.
    func read(chunk: Int)
    /// Ends the lane by force and returns at once. Reads in flight fail. Any thread, any number of times.
    func close()
}
