package import Records

/// Names one pull of one peer.
package struct PullID: Hashable, Comparable, Sendable, CustomStringConvertible {
    package let number: UInt64
    package init(_ number: UInt64) { self.number = number }
    package var description: String { "pull-\(number)" }
    package static func < (left: PullID, right: PullID) -> Bool { left.number < right.number }
}

/// How near a source is, nearest first.
package enum Closeness: UInt8, Hashable, Comparable, CaseIterable, Sendable {
    case sameHost, sameZone, far

    /// As metrics and reports have it.
    package var word: String {
        switch self {
        case .sameHost: "host"
        case .sameZone: "zone"
        case .far: "far"
        }
    }

    package static func < (left: Closeness, right: Closeness) -> Bool { left.rawValue < right.rawValue }
}

/// A peer that announces the wanted manifest, and how it can be read.
package struct SourceCandidate: Hashable, Sendable {
    package let peer: PeerID
    /// Lanes that both sides can use, best first.
    package let lanes: [LaneKind]
    package let isComplete: Bool
    package let closeness: Closeness
    /// Its latest beacon says that all its slots are taken: asked only when nobody else is left.
    package let isFull: Bool

    package init(
        peer: PeerID, lanes: [LaneKind], isComplete: Bool, closeness: Closeness = .far, isFull: Bool = false
    ) {
        self.peer = peer
        self.lanes = lanes
        self.isComplete = isComplete
        self.closeness = closeness
        self.isFull = isFull
    }
}

/// Where the bytes of a read land.
package enum ReadPlace: Hashable, Sendable {
    /// Where the chunk belongs. Nobody else may be writing there.
    case destination
    /// A bounce chunk, since another lane may still write to where the chunk belongs.
    case bounce
}

/// Why one read brought nothing.
package enum ReadFailure: Hashable, Sendable {
    /// The bytes are not those of the manifest: the source's memory or the path to it is at fault.
    case wrongBytes(String)
    /// The source says that it doesn't have the chunk.
    case notAvailable
    /// The lane broke before the bytes were there.
    case lost(String)
    /// The target itself could not keep the bytes, for example a full disk: the pull ends.
    case sink(String)
}

package enum FanInEvent: Sendable {
    /// Who announces the manifest now.
    case candidates([SourceCandidate])
    /// Which others of the same host or zone fill themselves with the manifest now, whether they can be read from or not.
    case zone([PeerID])
    case probeAnswered(PeerID, request: UInt64, freeSlots: Int, reserved: Bool, haveMap: ChunkSet)
    case granted(PeerID, request: UInt64, LeaseGrant)
    case refused(PeerID, request: UInt64, RefusalCode, retryAfterMilliseconds: UInt32)
    case renewed(LeaseID, durationMilliseconds: UInt32)
    case leaseEnded(LeaseID, RefusalCode)
    case haveDelta(LeaseID, [UInt32])
    case laneOpened(LeaseID)
    case laneFailed(LeaseID, String)
    /// No byte of this lane can land any more.
    case laneClosed(LeaseID)
    /// Bytes of reads that are still under way have come since the lane last said so. Lanes say it now and then, quick ones never.
    case arrived(LeaseID, bytes: Int)
    /// A read into a bounce chunk is done and verified; the chunk waits for `place` or `dropBounce`, also when its lane closes.
    case bounced(LeaseID, chunk: Int, bytes: Int)
    /// What a `place` asked for is done: the bounced bytes lie where the chunk belongs.
    case placed(LeaseID, chunk: Int)
    case verified(LeaseID, chunk: Int, bytes: Int)
    case failed(LeaseID, chunk: Int, ReadFailure)
    case peerGone(PeerID)
    case tick
}

package enum FanInEffect: Sendable, Equatable {
    case probe(PeerID, request: UInt64)
    case releaseReservation(PeerID)
    case requestLease(PeerID, request: UInt64, lanes: [LaneKind])
    case openLane(PeerID, LeaseGrant, LaneOffer)
    case read(LeaseID, chunk: Int, into: ReadPlace)
    /// Copy the bounced chunk to where it belongs; answered by `placed`, or by `failed` with `sink`.
    case place(LeaseID, chunk: Int)
    /// The bounced chunk is not needed.
    case dropBounce(LeaseID, chunk: Int)
    case closeLane(LeaseID)
    /// Tell the source that a chunk of its has wrong bytes, so that it looks for itself before everybody shuns it.
    case dispute(PeerID, LeaseID, chunk: Int)
    case renew(PeerID, LeaseID)
    case release(PeerID, LeaseID)
    /// The chunk lies verified where others may read it.
    case chunkVerified(Int)
    case complete
    case failed(FanInFailure)
}

package enum FanInFailure: Hashable, Sendable {
    /// No source made progress for this long, nanoseconds.
    case stalled(missingChunks: Int, after: UInt64, lastProblem: String)
    case sink(String)
}

extension FanInFailure: CustomStringConvertible {
    package var description: String {
        switch self {
        case .stalled(let missing, let after, let problem):
            "no source gave any of the \(missing) missing chunks for \(after / Duration64.second) s"
                + (problem.isEmpty ? "" : "; the last problem was: \(problem)")
        case .sink(let reason): reason
        }
    }
}
