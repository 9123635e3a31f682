import Digest
import Records

/// Frames: verified before they are applied, applied before they are forwarded.
extension Mesh {
    /// What became of a frame from outside.
    enum FrameOutcome {
        case new
        case known
        case refused(RefusedFrame)
    }

    mutating func publish<Record: SignedRecord>(
        _ record: Record, _ now: Moment, _ authority: inout some MeshAuthority, _ effects: inout [MeshEffect]
    ) {
        let frame = authority.frame(record)
        let bytes = frame.encoded
        seen.insert(BLAKE2b.digest(bytes))
        apply(frame, bytes, &effects)
        broadcast(bytes, &effects)
    }

    mutating func broadcast(
        _ frame: [UInt8], hops: UInt8 = 0, besides incoming: PeerID? = nil, _ effects: inout [MeshEffect]
    ) {
        for peer in edges.keys.sorted() where peer != incoming {
            guard var edge = edges[peer] else { continue }
            edge.published += 1
            edges[peer] = edge
            effects.append(.publish(to: peer, GossipHead(counter: edge.published, hops: hops), frame: frame))
        }
    }

    /// Bounds, seen-set, author, signature, validity, roles; then the store. `from` is nil for frames of a hello.
    /// `mayHaveEnded` says that the owner's beacon, which renews the record, comes beside it.
    mutating func take(
        _ bytes: [UInt8], from: PeerID?, mayHaveEnded: Bool, _ now: Moment, _ authority: inout some MeshAuthority,
        _ effects: inout [MeshEffect]
    ) -> FrameOutcome {
        if EquivocationProof.isClaimed(by: bytes) {
            let outcome = takeProof(bytes, now, &authority, &effects)
            if case .refused(let reason) = outcome { return refuse(reason, from, &effects) }
            // Whoever believes a proof tells it on at once, so that it needs no forwarding.
            return .known
        }
        guard bytes.count <= WireLimits.gossipFrame, let frame = try? SignedFrame(decoding: bytes) else {
            return refuse(.malformed, from, &effects)
        }
        // Our own words come back by snapshots and digests; nobody else can have newer ones.
        guard frame.author != local else { return .known }
        guard quarantined[frame.author] == nil else { return refuse(.quarantined, from, &effects) }
        let digest = BLAKE2b.digest(bytes)
        if seen.contains(digest), holds(frame, digest) { return .known }
        switch verify(frame, mayHaveEnded: mayHaveEnded, now, &authority) {
        case .failure(let reason): return refuse(reason, from, &effects)
        case .success: break
        }
        seen.insert(digest)
        return applyVerified(frame, bytes, from, &effects)
    }

    /// A seen frame is worth another look only if what it says has since been forgotten.
    private func holds(_ frame: SignedFrame, _ digest: Digest256) -> Bool {
        guard let holdings = store.peers[frame.author] else { return false }
        if frame.purpose == .beacon { return holdings.beacon != nil }
        return holdings.held.values.contains { $0.frameDigest == digest }
    }

    private enum Verdict {
        case success
        case failure(RefusedFrame)
    }

    private mutating func verify(
        _ frame: SignedFrame, mayHaveEnded: Bool, _ now: Moment, _ authority: inout some MeshAuthority
    ) -> Verdict {
        let validity: Validity
        let chain: CertificateChain
        switch frame.purpose {
        case .peerRecord:
            guard let record = try? PeerRecord(decoding: frame.payload) else { return .failure(.malformed) }
            (validity, chain) = (record.validity, record.chain)
        case .announcement:
            guard let record = try? Announcement(decoding: frame.payload) else { return .failure(.malformed) }
            guard let known = store.peers[frame.author]?.record.chain else { return .failure(.unknownAuthor) }
            guard authority.permits(record, by: known) else { return .failure(.notPermitted) }
            (validity, chain) = (record.validity, known)
        case .beacon:
            guard let record = try? Beacon(decoding: frame.payload) else { return .failure(.malformed) }
            guard let known = store.peers[frame.author]?.record.chain else { return .failure(.unknownAuthor) }
            (validity, chain) = (record.validity, known)
        default: return .failure(.malformed)
        }
        // A record after its own term may still be renewed by its owner's beacon when that comes beside it.
        guard validity.term > 0, validity.term <= ValidityLimits.term,
            validity.issuedAt <= now.wall + ValidityLimits.skew
        else { return .failure(.outsideValidity) }
        guard validity.validUntil > now.wall || mayHaveEnded && frame.purpose != .beacon else {
            return .failure(.outsideValidity)
        }
        guard chain.peer == frame.author, authority.accepts(chain, now: now) else { return .failure(.untrusted) }
        guard authority.isAuthentic(frame, by: chain) else { return .failure(.badSignature) }
        return .success
    }

    private mutating func applyVerified(
        _ frame: SignedFrame, _ bytes: [UInt8], _ from: PeerID?, _ effects: inout [MeshEffect]
    ) -> FrameOutcome {
        switch apply(frame, bytes, &effects) {
        case .applied:
            if store.peers[frame.author]?.record.isDeparting == true { forget(frame.author, &effects) }
            return .new
        case .known, .older: return .known
        case .equivocation:
            convict(frame, bytes, &effects)
            return refuse(.equivocation, from, &effects)
        case .full: return refuse(.full, from, &effects)
        }
    }

    @discardableResult
    private mutating func apply(
        _ frame: SignedFrame, _ bytes: [UInt8], _ effects: inout [MeshEffect]
    ) -> RecordStore.Outcome {
        let peer = frame.author
        let outcome: RecordStore.Outcome
        switch frame.purpose {
        case .peerRecord:
            guard let record = try? PeerRecord(decoding: frame.payload) else { return .older }
            outcome = store.apply(record, frame: frame, bytes: bytes)
            noteApplied(
                outcome, RecordKeys.peer(peer), peer, record.version, record.validity, frame.purpose, bytes, &effects)
        case .announcement:
            guard let record = try? Announcement(decoding: frame.payload) else { return .older }
            outcome = store.apply(record, frame: frame, bytes: bytes)
            let id = RecordKeys.announcement(peer, record.identity.id, rank: record.rank)
            noteApplied(outcome, id, peer, record.version, record.validity, frame.purpose, bytes, &effects)
        case .beacon:
            guard let beacon = try? Beacon(decoding: frame.payload) else { return .older }
            let taken = store.apply(beacon, frame: frame, bytes: bytes)
            if taken.renewed { noteRenewed(peer, &effects) }
            return taken.isNewer ? .applied : .known
        default: return .older
        }
        if outcome == .applied, store.renewIfSetMatches(peer) { noteRenewed(peer, &effects) }
        return outcome
    }

    private func noteApplied(
        _ outcome: RecordStore.Outcome, _ id: RecordID, _ owner: PeerID, _ version: Version, _ validity: Validity,
        _ purpose: Purpose, _ bytes: [UInt8], _ effects: inout [MeshEffect]
    ) {
        guard outcome == .applied else { return }
        effects.append(
            .changed(
                .record(
                    id: id, owner: owner, version: version, purpose: purpose, validUntil: validity.validUntil,
                    frame: bytes)))
    }

    private func noteRenewed(_ peer: PeerID, _ effects: inout [MeshEffect]) {
        guard let holdings = store.peers[peer], let beacon = holdings.beacon else { return }
        effects.append(
            .changed(
                .renewed(
                    owner: peer, validUntil: holdings.renewedUntil, version: beacon.version,
                    beacon: holdings.beaconFrame)))
    }

    private func refuse(
        _ reason: RefusedFrame, _ from: PeerID?, _ effects: inout [MeshEffect]
    ) -> FrameOutcome {
        effects.append(.changed(.refused(from: from, reason: reason)))
        return .refused(reason)
    }
}
