import PeerLogic
import Records
import Trust

/// Tokens that end and are replaced, and keys that are revoked, as an operator and a server do it.
extension Simulation {
    /// Peers are given a token that is over after a time.
    func expire(_ selected: [SimulatedPeer], after time: UInt64) {
        guard !selected.isEmpty else { return }
        let end = trueWall + Int64(time / Duration64.millisecond)
        guard let token = try? cluster.token(until: end) else { return }
        for peer in selected where peer.isTrusted {
            give(token, to: peer)
            schedule(.tokenEnds(peer.index, token.grant.value.id), after: time)
        }
    }

    func tokenEnded(_ token: TokenID, of peer: SimulatedPeer) {
        // A peer that stood still until the token was over never used it.
        if peer.token == token, peer.running?.lend({ $0.certificate.token }) == token { leave(peer) }
    }

    /// Peers are given the token that whoever starts from now on joins with.
    func rotate(_ selected: [SimulatedPeer], revokesAfter time: UInt64?) {
        guard let old = try? cluster.rotate() else { return }
        for peer in selected {
            give(cluster.token(of: .peer), to: peer)
            guard !peer.isRevoked, peer.outsideSince != nil else { continue }
            peer.outsideSince = nil
            peer.insideSince = now
            truth.setOutside(peer.index, false)
        }
        guard let time else { return }
        announce(.token(old), from: trueWall + Int64(time / Duration64.millisecond))
        schedule(.tokenRevoked(old), after: time)
    }

    func tokenRevoked(_ token: TokenID) {
        for peer in living where peer.token == token { leave(peer) }
    }

    func revoke(_ selected: [SimulatedPeer]) {
        for peer in selected {
            peer.isRevoked = true
            leave(peer)
        }
        for peer in selected { announce(.peer(peer.id), from: trueWall) }
    }

    private var trueWall: Int64 { SimulatedCluster.epoch + Int64(now / Duration64.millisecond) }

    private func give(_ token: TokenHolder, to peer: SimulatedPeer) {
        peer.token = token.grant.value.id
        arrived(.local(.token(token)), at: peer)
    }

    private func leave(_ peer: SimulatedPeer) {
        guard peer.outsideSince == nil else { return }
        peer.outsideSince = trueWall
        truth.setOutside(peer.index, true)
    }

    /// A server finds the notice in its files, or a peer whose operator gave it to it.
    private func announce(_ subject: RevocationSubject, from notBefore: Int64) {
        let trusted = living.filter { $0.isTrusted && !$0.isDeparting }
        guard let peer = trusted.first(where: { $0.role == .server }) ?? trusted.first else { return }
        let notice = cluster.revoke(subject, from: notBefore, atWall: trueWall)
        arrived(.local(.revocation(notice.encoded)), at: peer)
    }
}
