import Mesh
import Records
import Trust

/// A holder without the role `origin` can't introduce anew what it holds. When its introduction's author is revoked, or will be,
/// it takes up another one of the same manifest from a peer that announces it with that.
extension PeerLogic {
    /// A question for the first page of a manifest, with which an introduction comes.
    struct Adoption: Sendable {
        let manifest: ManifestID
        let peer: PeerID
        let deadline: UInt64
    }

    mutating func adoptIntroductions(_ now: Moment, _ effects: inout [PeerEffect]) {
        adoptions = adoptions.filter { $0.value.deadline > now.monotonic }
        guard !authority.rules.revocations.isEmpty else { return }
        for id in offers.keys.sorted() {
            guard let offer = offers[id], authority.rules.willBeRevoked(offer.proof),
                !adoptions.values.contains(where: { $0.manifest == id })
            else { continue }
            let told = offer.proof.introduction.value.id
            let others = sources(now) { $0.manifest == id && $0.introduction != nil && $0.introduction != told }
            guard let source = others.filter({ mesh.hasChannel(to: $0.peerID) }).randomElement(using: &generator)
            else { continue }
            let request = takeRequest()
            adoptions[request] = Adoption(
                manifest: id, peer: source.peerID, deadline: now.monotonic + configuration.manifestTimeout)
            send(.manifestRequest(request: request, manifest: id, offset: 0), to: source.peerID, &effects)
        }
    }

    mutating func receivedIntroduction(
        _ request: UInt64, _ proof: IntroductionProof?, from peer: PeerID, _ now: Moment,
        _ effects: inout [PeerEffect]
    ) {
        guard let adoption = adoptions[request], adoption.peer == peer, let proof else { return }
        adoptions[request] = nil
        guard let offer = offers[adoption.manifest], !authority.rules.willBeRevoked(proof) else { return }
        do {
            try authority.rules.check(
                proof, introduces: offer.id, of: offer.manifest.identity, rank: offer.manifest.rank, atWall: now.wall)
        } catch {
            log(.warning, "introduction not taken", [("peer.id", peer.short), ("reason", "\(error)")], &effects)
            return
        }
        offers[offer.id]?.introduce(by: proof)
        announceIfDue(offer.id, now, &effects)
    }
}
