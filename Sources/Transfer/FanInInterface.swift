package import Records

/// Names one pull of one peer.
package struct PullID: Hashable, Comparable, Sendable, CustomStringConvertible {
    package let number: UInt64
    package init(_ number: UInt64) { self.number = number }
    package var description: String { "pull-\(number)" }
    package static func < (left: PullID, right: PullID) -> Bool { left.number < right.number }
}

/// A peer that announces the wanted manifest, and how it can be read.
package struct SourceCandidate: Hashable, Sendable {
    package let peer: PeerID
    /// Lanes that both sides can use, best first.
    package let lanes: [LaneKind]
    package let isComplete: Bool

    package init(peer: PeerID, lanes: [LaneKind], isComplete: Bool) {
        self.peer = peer
        self.lanes = lanes
        self.isComplete = isComplete
    }
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

/// What happened to one source from the target's view, for the report.
package struct SourceTally: Hashable, Sendable {
    package let peer: PeerID
    package var lane: LaneKind?
    package var bytes: UInt64 = 0
    package var chunks = 0
    package var failures = 0
    package var note = ""

    package init(peer: PeerID) { self.peer = peer }
}

package enum FanInEvent: Sendable {
    /// Who announces the manifest now.
    case candidates([SourceCandidate])
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
    case read(LeaseID, chunk: Int)
    case closeLane(LeaseID)
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
