import Digest

/// What two neighbours say to each other on the control channel, inside CURVE. Who sent a message is known from the channel;
/// `request` ties an answer to its question.
package enum ControlMessage: Hashable, Sendable {
    /// The sender's peer record (a signed frame): the first message on a channel.
    case hello(record: [UInt8])
    /// The answer to a hello: the receiver's peer record.
    case welcome(record: [UInt8])
    /// `isNeighbour`: the sender takes the receiver for a neighbour.
    case ping(request: UInt64, isNeighbour: Bool)
    case pong(request: UInt64)

    /// Asks for what lives, with each peer's record and latest beacon first. `cursor` goes on with a snapshot that was begun, if
    /// the receiver still has it.
    indirect case snapshotRequest(request: UInt64, filter: SnapshotFilter, cursor: SnapshotCursor?)
    // Large or rare: kept apart, so that all other messages stay small.
    indirect case snapshotPage(request: UInt64, page: SnapshotPage)
    /// Digests of the 256 buckets of everything the sender holds, and of the proofs and revocations that it knows.
    case digestSummary(buckets: [UInt64], trust: UInt64)
    /// What the sender holds in the buckets that differ.
    case digestListing(buckets: [UInt8], entries: [RecordStamp])
    case want(records: [RecordID])
    case give(frames: [[UInt8]])

    case manifestRequest(request: UInt64, manifest: ManifestID, offset: UInt64)
    /// Part of a manifest's canonical bytes; the introduction comes with the first part.
    indirect case manifestPage(
        request: UInt64, total: UInt64, offset: UInt64, bytes: [UInt8], proof: IntroductionProof?)
    case probe(request: UInt64, manifest: ManifestID)
    /// `haveMap` is exact. A reservation holds a slot for two seconds.
    indirect case probeAnswer(request: UInt64, freeSlots: UInt16, slots: UInt16, reserved: Bool, haveMap: ChunkSet)
    case releaseReservation(manifest: ManifestID)
    case leaseRequest(request: UInt64, manifest: ManifestID, lanes: [LaneKind])
    indirect case leaseGrant(request: UInt64, grant: LeaseGrant)
    case refusal(request: UInt64, code: RefusalCode, retryAfter: UInt32)
    case leaseRenewal(lease: LeaseID)
    case leaseRenewed(lease: LeaseID, duration: UInt32)
    /// `bytesRead` counts what was read where the source can't see it (shared memory): a hint for people.
    case leaseRelease(lease: LeaseID, bytesRead: UInt64)
    case leaseEnded(lease: LeaseID, code: RefusalCode)
    /// Chunks that the sender has verified since it last told this lease holder.
    case haveDelta(lease: LeaseID, chunks: [UInt32])
    /// The sender read a chunk under this lease, and its bytes were not those of the manifest.
    case chunkDispute(lease: LeaseID, chunk: UInt32)
    /// The sender leaves in good order.
    case goodbye

    /// Asks to become a neighbour, of whose gossip each hears; `isShort` when the sender has fewer than it needs.
    case neighbourRequest(isShort: Bool)
    case neighbourAnswer(isAccepted: Bool)
    /// The sender is a neighbour no longer; `successor` is somebody who has room.
    case neighbourEnd(successor: PeerID?)
    /// The sender closes a channel that nobody has used for a while. It does not leave the mesh.
    case hangUp
}

/// Name and version of a record, as listed in a digest exchange.
package struct RecordStamp: Hashable, Sendable {
    package let record: RecordID
    package let version: Version

    package init(record: RecordID, version: Version) {
        self.record = record
        self.version = version
    }
}
