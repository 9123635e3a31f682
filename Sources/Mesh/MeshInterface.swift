package import Digest
package import Records

/// What the mesh asks of whoever holds keys and trust. Answers are immediate; the composition of a peer implements it.
package protocol MeshAuthority {
    /// Whether `chain` holds now. Called before anything its peer says is looked at.
    mutating func accepts(_ chain: CertificateChain, now: Moment) -> Bool
    /// Whether the frame was signed by the chain's peer. The chain was accepted.
    mutating func isAuthentic(_ frame: SignedFrame, by chain: CertificateChain) -> Bool
    /// Whether the peer may say this: roles, model prefixes, terms.
    func permits(_ announcement: Announcement, by chain: CertificateChain) -> Bool
    /// Takes a revocation from the wire, or says why not.
    mutating func take(revocation bytes: [UInt8], now: Moment) -> RevocationVerdict
    /// Everything that is revoked, each as it is told on.
    var revocations: [[UInt8]] { get }
    /// Equal for those who know the same revocations.
    var revocationDigest: UInt64 { get }
    /// Signs a record of this peer.
    mutating func frame<Record: SignedRecord>(_ record: Record) -> SignedFrame
}

/// What became of a revocation that somebody told.
package enum RevocationVerdict: Hashable, Sendable {
    /// Believed, and not known before: `id` names it, and it is kept until then, milliseconds since 1970.
    case new(id: Digest256, until: Int64)
    case known
    case refused(RefusedFrame)
}

/// What reaches the mesh from outside.
package enum MeshEvent: Sendable {
    /// A checked answer from a bootstrap port named `address`.
    indirect case bootstrapAnswered(address: String, answer: BootstrapAnswer)
    case bootstrapFailed(address: String)
    /// A hello on a channel of which only the CURVE key is known.
    case hello(curveKey: CurveKey, record: [UInt8])
    /// A message on an admitted channel.
    case message(from: PeerID, ControlMessage)
    /// Bytes on an admitted channel that are no message.
    case garbage(from: PeerID)
    /// The connection of a channel was lost; it may come back.
    case disconnected(PeerID)
    /// A frame from the gossip socket of a neighbour.
    case gossip(from: PeerID, GossipHead, frame: [UInt8])
    /// Frames out of a store: each owner's own record first, its beacon last. Judged like frames from anybody.
    case restored([[UInt8]])
    /// Time went on; `nextDeadline` tells when this is wanted.
    case tick
}

/// What the mesh wants done.
package enum MeshEffect: Sendable, Equatable {
    /// Ask who answers at this bootstrap port.
    case bootstrap(address: String)
    /// Open a control channel with CURVE.
    case connect(PeerID, CurveKey, Endpoints)
    /// Listen to the gossip of a connected peer.
    case subscribe(PeerID, CurveKey, Endpoints)
    /// Close every channel to the peer.
    case disconnect(PeerID)
    /// The holder of this CURVE key is this peer; messages from its channel are the peer's.
    case admit(CurveKey, PeerID)
    case send(to: PeerID, ControlMessage)
    /// Listen to it no longer; the channel stays.
    case unsubscribe(PeerID)
    /// For so many nanoseconds nothing that this key sends is looked at, and no channel with it is opened.
    case block(PeerID, CurveKey, nanoseconds: UInt64)
    /// Send to one neighbour that listens to our gossip.
    case publish(to: PeerID, GossipHead, frame: [UInt8])
    /// A peer's records changed in a way that choosers, stores and people care about.
    case changed(MeshChange)
}

/// A change in what the mesh holds.
package enum MeshChange: Sendable, Equatable {
    /// A new or newer record, verbatim; `validUntil` is milliseconds since 1970.
    case record(id: RecordID, owner: PeerID, version: Version, purpose: Purpose, validUntil: Int64, frame: [UInt8])
    /// All records of the owner hold until then, by this beacon (version and verbatim frame).
    case renewed(owner: PeerID, validUntil: Int64, version: Version, beacon: [UInt8])
    /// The peer and what it offered are gone: expired or departed.
    case gone(PeerID)
    /// A channel works, or no longer: messages to the peer are answered.
    case channel(PeerID, isUp: Bool)
    /// A peer has become a neighbour, whose gossip is heard, or is one no longer.
    case neighbour(PeerID, isUp: Bool)
    /// A neighbour sent what no honest one does, too often.
    case blocked(PeerID)
    /// Something is revoked until then, milliseconds since 1970; `notice` proves itself, verbatim.
    case revoked(id: Digest256, until: Int64, notice: [UInt8])
    /// The peer is proven to have signed two payloads under one version; nothing of it is taken until its certificate ends.
    case quarantined(PeerID)
    /// A frame was refused; `reason` is for logs and counters.
    case refused(from: PeerID?, reason: RefusedFrame)
}

package enum RefusedFrame: String, Sendable, CaseIterable {
    case malformed
    /// Of a release that speaks another wire version, or of a kind that this one doesn't know.
    case unsupported
    case untrusted
    case badSignature = "bad signature"
    case notPermitted = "not permitted"
    case outsideValidity = "outside validity"
    case unknownAuthor = "unknown author"
    case equivocation
    case quarantined
    /// The author publishes more than it may; anti-entropy brings its latest word.
    case tooOften = "too often"
    case full
}

/// What choosers and people see of one live record.
package struct OfferedSource: Hashable, Sendable {
    package let peer: PeerRecord
    package let peerID: PeerID
    package let announcement: Announcement
    package let beacon: Beacon?

    package init(peer: PeerRecord, peerID: PeerID, announcement: Announcement, beacon: Beacon?) {
        self.peer = peer
        self.peerID = peerID
        self.announcement = announcement
        self.beacon = beacon
    }
}
