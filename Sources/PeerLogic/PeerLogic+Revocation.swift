import Mesh
import Records
import Transfer
import Trust

/// What was revoked, as this peer acts on it: leases of revoked readers end, revoked sources are left, and content whose
/// introduction ended with it is neither read nor offered any more.
extension PeerLogic {
    /// A notice that came from this peer's own files.
    mutating func took(revocation bytes: [UInt8], _ now: Moment, _ effects: inout [PeerEffect]) {
        do {
            let notice = try RevocationNotice(decoding: bytes)
            guard try authority.rules.insert(notice, atWall: now.wall) else { return }
            take(
                mesh.spread(revocation: bytes, id: notice.id, until: notice.revocation.value.until), now, &effects)
        } catch {
            log(.warning, "a revocation is not believed", [("reason", "\(error)")], &effects)
        }
    }

    /// For each notice that is new, wherever it came from: logs it and acts on it.
    mutating func believed(_ bytes: [UInt8], _ now: Moment, _ effects: inout [PeerEffect]) {
        guard let notice = try? RevocationNotice(decoding: bytes) else { return }
        let revocation = notice.revocation.value
        for change in [revocation.notBefore, revocation.until] where change > now.wall {
            nextRevocation = min(nextRevocation, change)
        }
        log(
            .warning, revocation.notBefore <= now.wall ? "revoked" : "will be revoked",
            [
                ("revoked.subject", revocation.subject.word), ("revoked.id", "\(revocation.subject.digest)"),
                ("revoked.from", "\(revocation.notBefore)"), ("reason", revocation.reason),
            ], &effects)
        guard revocation.notBefore <= now.wall else { return }
        enforceRevocations(now, &effects)
    }

    /// At the times at which planned revocations begin to hold, and old ones end.
    mutating func revocationsOverTime(_ now: Moment, _ effects: inout [PeerEffect]) {
        guard now.wall >= nextRevocation else { return }
        authority.rules.expireRevocations(atWall: now.wall)
        nextRevocation = authority.rules.revocations.nextChange(afterWall: now.wall) ?? .max
        enforceRevocations(now, &effects)
    }

    private mutating func enforceRevocations(_ now: Moment, _ effects: inout [PeerEffect]) {
        guard !authority.rules.revocations.isEmpty else { return }
        endRevokedReaders(now, &effects)
        leaveRevokedSources(now, &effects)
        stopRevokedContent(now, &effects)
        take(mesh.forgetUntrusted(now: now, authority: &authority), now, &effects)
        guard authority.rules.isRevoked(chain, atWall: now.wall) else { return }
        log(
            .warning,
            "this peer is revoked: nobody believes it until it has another token (`modelexpress keys token`) or, when it "
                + "was revoked by its own key, is restarted", [("peer.id", "\(local)")], &effects)
    }

    // MARK: Readers and sources

    func isRevoked(_ peer: PeerID, _ now: Moment) -> Bool {
        guard let chain = mesh.peerRecord(of: peer)?.chain else {
            return authority.rules.revocations.revocation(of: .peer(peer), atWall: now.wall) != nil
        }
        return authority.rules.isRevoked(chain, atWall: now.wall)
    }

    /// What may be chosen from: the mesh may still hold what a revoked peer said before.
    func sources(_ now: Moment, where include: (Announcement) -> Bool) -> [OfferedSource] {
        mesh.sources(atWall: now.wall, where: include).filter {
            !authority.rules.isRevoked($0.peer.chain, atWall: now.wall)
        }
    }

    private mutating func endRevokedReaders(_ now: Moment, _ effects: inout [PeerEffect]) {
        for reader in Set(ledger.sortedLeases.map(\.reader)).sorted() where isRevoked(reader, now) {
            for lease in ledger.readerGone(reader) {
                effects.append(.end(lease.id))
                send(.leaseEnded(lease: lease.id, code: .notPermitted), to: reader, &effects)
            }
        }
    }

    private mutating func leaveRevokedSources(_ now: Moment, _ effects: inout [PeerEffect]) {
        for id in pulls.keys.sorted() {
            guard let pull = pulls[id] else { continue }
            switch pull.phase {
            case .fetching(let peer, _, _, _) where isRevoked(peer, now):
                pulls[id]?.distrusted[peer] = "it is revoked"
                pulls[id]?.phase = .searching
                search(id, now, &effects)
            case .reading(let manifest, _):
                for source in mesh.sources(atWall: now.wall, where: { $0.manifest == manifest })
                where isRevoked(source.peerID, now) { step(id, .peerGone(source.peerID), now, &effects) }
            default: break
            }
        }
        updateCandidates(now, &effects)
    }

    // MARK: Content

    /// Pulls of content that nobody vouches for any more fail. What is here of it stays, and is offered again if it is introduced
    /// again.
    private mutating func stopRevokedContent(_ now: Moment, _ effects: inout [PeerEffect]) {
        introduceAnew(now)
        for id in offers.keys.sorted() {
            guard var offer = offers[id], authority.rules.isRevoked(offer.proof, atWall: now.wall) else { continue }
            for pull in pulls.keys.sorted() where pulls[pull]?.manifest == id && pulls[pull]?.layout != nil {
                fail(
                    pull, .notBelieved("the introduction of what it reads was revoked, or the peer that made it"), now,
                    &effects)
            }
            guard offers[id] != nil, !offer.isSuspended else { continue }
            withdraw(id, now, &effects)
            offer.suspend()
            register(offer)
            log(
                .warning, "content is not offered any more: its introduction was revoked, or the peer that made it",
                [("model", offer.manifest.identity.model), ("manifest.id", id.short)], &effects)
        }
    }

    /// Whether this peer's own word should take the place of the introduction that it holds: at half its life, and when its
    /// author is going to be revoked, as with a token that was rotated. What was revoked at once may be wrong, so that this peer
    /// doesn't vouch for it unless it was the origin itself.
    func needsIntroduction(_ offer: Offer, _ now: Moment) -> Bool {
        let told = offer.proof.introduction.value
        let isOurs = offer.proof.author.peer == local
        guard isOurs || !authority.rules.isRevoked(offer.proof, atWall: now.wall) else { return false }
        if authority.rules.willBeRevoked(offer.proof) {
            return !authority.rules.revocations.names(.introduction(told.id))
                && !authority.rules.willBeRevoked(chain)
        }
        return now.wall >= told.notBefore + (told.notAfter - told.notBefore) / 2
    }
}
