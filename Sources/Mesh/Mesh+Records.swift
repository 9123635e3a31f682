import Digest
import Records

/// Frames: verified before they are applied, applied before they are forwarded.
extension Mesh {
    /// What became of a frame from outside.
    enum FrameOutcome {
        case new(OpenedFrame)
        case known
        case refused(RefusedFrame)
    }

    mutating func publish<Record: SignedRecord>(
        _ record: Record, _ now: Moment, _ authority: inout some MeshAuthority, _ effects: inout [MeshEffect]
    ) {
        let bytes = authority.frame(record).encoded
        let digest = opening.digest(of: bytes)
        guard let frame = opening.open(bytes, digest: digest) else { return }
        apply(frame, isLocal: true, &effects)
        broadcast(bytes, &effects)
    }

    /// Whether bytes whose first four name their kind are of a release that speaks another wire version, which is no fault.
    static func isOfOtherVersion(_ bytes: [UInt8]) -> Bool { bytes.count > 4 && bytes[4] != SignedFrame.wireVersion }

    /// How a frame came.
    struct Arrival {
        /// Nil for frames of a hello or a store.
        var from: PeerID?
        /// The owner's beacon, which renews the record, comes beside it.
        var mayHaveEnded = false
        /// An author who publishes too much is not listened to.
        var isGossip = false
        /// Its signature has just been checked.
        var isAuthentic = false
    }

    /// Bounds, what is held already, author, validity, signature, roles; then the store. `opened` is what the bytes are, where that is known.
    mutating func take(
        _ bytes: [UInt8], opened: OpenedFrame? = nil, _ arrival: Arrival, _ now: Moment,
        _ authority: inout some MeshAuthority, _ effects: inout [MeshEffect]
    ) -> FrameOutcome {
        let from = arrival.from
        guard bytes.count <= WireLimits.gossipFrame else { return refused(.malformed, from, now, &effects) }
        let isNotice = RevocationNotice.isClaimed(by: bytes)
        let isProof = EquivocationProof.isClaimed(by: bytes)
        if isNotice || isProof, Self.isOfOtherVersion(bytes) { return refused(.unsupported, from, now, &effects) }
        if isNotice {
            guard !isDoubted(from, now) else { return refused(.tooOften, from, now, &effects) }
            return takeRevocation(bytes, from: from, now, &authority, &effects)
        }
        if isProof {
            guard !isDoubted(from, now) else { return refused(.tooOften, from, now, &effects) }
            if let reason = takeProof(bytes, now, &authority, &effects) {
                return refused(reason, from, now, &effects)
            }
            // Whoever believes a proof tells it on at once, so that it needs no forwarding.
            return .known
        }
        let digest = opened?.digest ?? opening.digest(of: bytes)
        if let head = SignedFrame.head(of: bytes) {
            if holds(digest, head.author) { return .known }
            guard head.version == SignedFrame.wireVersion, Purpose(rawValue: head.purpose) != nil else {
                return refused(.unsupported, from, now, &effects)
            }
            if arrival.isGossip, store.publishesTooMuch(head.author, now: now) {
                return refused(.tooOften, from, now, &effects)
            }
        }
        guard let frame = opened ?? opening.open(bytes, digest: digest) else {
            return refused(OpenedFrame.saysUnknown(bytes) ? .unsupported : .malformed, from, now, &effects)
        }
        return take(frame, arrival, now, &authority, &effects)
    }

    mutating func take(
        _ frame: OpenedFrame, _ arrival: Arrival, _ now: Moment, _ authority: inout some MeshAuthority,
        _ effects: inout [MeshEffect]
    ) -> FrameOutcome {
        let from = arrival.from
        // Our own words come back by snapshots and digests; nobody else can have newer ones.
        guard frame.author != local else { return .known }
        guard quarantined[frame.author] == nil else { return refused(.quarantined, from, now, &effects) }
        if store.isBehind(frame) { return .known }
        guard frame.purpose != .peerRecord || !isDoubted(from, now) else {
            return refused(.tooOften, from, now, &effects)
        }
        if let reason = verify(frame, arrival, now, &authority) {
            return refused(reason, from, now, &effects)
        }
        return applyVerified(frame, from, now, &effects)
    }

    /// Whether this very frame is held: it comes by many edges, and is opened once. What is older is told apart by its version.
    private func holds(_ digest: Digest256, _ author: PeerID) -> Bool {
        guard let holdings = store.peers[author] else { return false }
        return holdings.beacon?.digest == digest || holdings.own.digest == digest
            || holdings.announcements.contains { $0.digest == digest }
    }

    /// Nil when the frame is to be believed.
    private mutating func verify(
        _ frame: OpenedFrame, _ arrival: Arrival, _ now: Moment, _ authority: inout some MeshAuthority
    ) -> RefusedFrame? {
        guard let chain = frame.peerRecord?.chain ?? peerRecord(of: frame.author)?.chain else { return .unknownAuthor }
        if let announcement = frame.announcement, !authority.permits(announcement, by: chain) { return .notPermitted }
        let validity = frame.validity
        guard validity.term > 0, validity.term <= ValidityLimits.term,
            validity.issuedAt <= now.wall + ValidityLimits.skew
        else { return .outsideValidity }
        // A record after its own term may still be renewed by its owner's beacon when that comes beside it.
        guard validity.validUntil > now.wall || arrival.mayHaveEnded && frame.purpose != .beacon else {
            return .outsideValidity
        }
        return arrival.isAuthentic ? nil : authenticate(frame, chain, now, &authority)
    }

    mutating func authenticate(
        _ frame: OpenedFrame, _ chain: CertificateChain, _ now: Moment, _ authority: inout some MeshAuthority
    ) -> RefusedFrame? {
        guard chain.peer == frame.author, authority.accepts(chain, now: now) else { return .untrusted }
        statistics.verifications += 1
        guard let signed = frame.signed, authority.isAuthentic(signed, by: chain) else { return .badSignature }
        return nil
    }

    private mutating func applyVerified(
        _ frame: OpenedFrame, _ from: PeerID?, _ now: Moment, _ effects: inout [MeshEffect]
    ) -> FrameOutcome {
        switch apply(frame, &effects) {
        case .applied:
            if frame.peerRecord?.isDeparting == true { forget(frame.author, &effects) }
            return .new(frame)
        case .known, .older: return .known
        case .equivocation(let held):
            convict(frame, held, &effects)
            return refused(.equivocation, from, now, &effects)
        case .full: return refused(.full, from, now, &effects)
        }
    }

    @discardableResult
    private mutating func apply(
        _ frame: OpenedFrame, isLocal: Bool = false, _ effects: inout [MeshEffect]
    ) -> RecordStore.Outcome {
        if frame.purpose == .beacon {
            let taken = store.applyBeacon(frame)
            if taken.isRenewed { noteRenewed(frame.author, &effects) }
            return taken.isNewer ? .applied : .known
        }
        let outcome = store.apply(frame, isLocal: isLocal)
        guard case .applied = outcome else { return outcome }
        effects.append(.changed(Self.change(frame, validUntil: frame.validity.validUntil)))
        if store.renewIfSetMatches(frame.author) { noteRenewed(frame.author, &effects) }
        return outcome
    }

    private func noteRenewed(_ peer: PeerID, _ effects: inout [MeshEffect]) {
        guard let renewal = store.peers[peer].flatMap(Self.renewal) else { return }
        effects.append(.changed(renewal))
    }

    private mutating func refused(
        _ reason: RefusedFrame, _ from: PeerID?, _ now: Moment, _ effects: inout [MeshEffect]
    ) -> FrameOutcome {
        refuse(reason, from, now, &effects)
        return .refused(reason)
    }
}
