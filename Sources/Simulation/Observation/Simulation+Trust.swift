import Mesh
import PeerLogic
import Records

/// Whether peers stop believing those whose certificates have ended and those who are revoked, and nobody else.
extension Simulation {
    /// What an observer may need to act on a planned revocation whose time has come, milliseconds: its next tick.
    private static let acting: Int64 = 1_000
    /// How long a peer that was outside may need until it knows all others again, nanoseconds.
    private static let returning = 10 * Duration64.second

    /// The longest that what was said before an end may hold after it, milliseconds.
    private var aftermath: Int64 {
        let presets = scenario.mesh.presets
        let preset = presets.first { $0.upTo >= machines.count } ?? presets.last
        return (preset?.term ?? ValidityLimits.term) + 2 * ValidityLimits.skew
    }

    func noteRevocation(_ bytes: [UInt8], at peer: SimulatedPeer) {
        guard let notice = try? RevocationNotice(decoding: bytes) else { return }
        peer.knownRevocations[notice.subject] = notice.revocation.value.notBefore
    }

    /// A peer took a frame of another one, with the chain in it or the one that it holds.
    func noteTrust(of owner: SimulatedPeer, _ bytes: [UInt8], by peer: SimulatedPeer) {
        guard watchesTrust, let frame = frames.open(bytes, digest: frames.digest(of: bytes)) else { return }
        let held = frame.peerRecord?.chain ?? peer.running?.lend { $0.mesh.peerRecord(of: owner.id)?.chain }
        guard let chain = held else { return }
        let wall = wall(of: peer.machine)
        noteSecrecy(of: frame, of: owner, by: peer)
        let end = chain.certificate.value.notAfter
        // Without a chain of its own a frame may have come beside an older certificate of the same key that still holds.
        if wall >= end + (frame.peerRecord == nil ? aftermath : 0) {
            violated(
                .certificates, "it took something \(wall - end) ms after the certificate's end", of: owner, by: peer)
        }
        if let since = revocation(of: chain, knownTo: peer), wall >= since {
            violated(.revocations, "it took something of a peer that it knows to be revoked", of: owner, by: peer)
        }
    }

    /// Everybody sees that a certificate is over, where of a revocation somebody may not have heard. Clocks may differ, and a
    /// greeting is good for a while. Who greets shows its own record.
    private func noteSecrecy(of frame: OpenedFrame, of owner: SimulatedPeer, by peer: SimulatedPeer) {
        guard peer.outsideSince != nil, owner.isTrusted, frame.peerRecord == nil,
            let end = peer.running?.lend({ $0.certificate.notAfter }),
            frame.validity.issuedAt > end + aftermath + 2 * ValidityLimits.skew
        else { return }
        violated(.secrecy, "its certificate ended long before what it was told", of: owner, by: peer)
    }

    /// From when on a chain is revoked as far as the peer knows, milliseconds since 1970.
    private func revocation(of chain: CertificateChain, knownTo peer: SimulatedPeer) -> Int64? {
        guard !peer.knownRevocations.isEmpty else { return nil }
        let subjects: [RevocationSubject] = [.peer(chain.peer), .token(chain.certificate.value.token)]
        return subjects.compactMap { peer.knownRevocations[$0] }.min()
    }

    /// What is chosen from, and who is listened to.
    func auditTrust(of peer: SimulatedPeer, _ running: Running) {
        guard watchesTrust, peer.isTrusted, !peer.hasWaiting else { return }
        let wall = wall(of: peer.machine)
        let aftermath = self.aftermath
        for source in running.lend({ $0.mesh.sources(atWall: moment(of: peer).wall) }) {
            guard let owner = index(of: source.peerID), owner != peer.index else { continue }
            let chain = source.peer.chain
            let end = chain.certificate.value.notAfter
            if wall > end + aftermath {
                violated(.certificates, "it would choose it \(wall - end) ms after its end", of: peers[owner], by: peer)
            }
            if let since = revocation(of: chain, knownTo: peer), wall > since + Self.acting {
                violated(.revocations, "it would choose a peer that it knows to be revoked", of: peers[owner], by: peer)
            }
        }
        for other in peers where other.outsideSince.map({ wall > $0 + Self.acting }) ?? false {
            let neighbour = running.lend { $0.mesh.isNeighbour(other.id) ? $0.mesh.peerRecord(of: other.id) : nil }
            guard let chain = neighbour?.chain else { continue }
            if let since = revocation(of: chain, knownTo: peer), wall > since + Self.acting {
                violated(.revocations, "it listens to a peer that it knows to be revoked", of: other, by: peer)
            }
            let end = chain.certificate.value.notAfter
            // A greeting keeps a peer for a while, and who was slow itself lets go later.
            if wall > end + aftermath + 2 * ValidityLimits.skew {
                violated(.certificates, "it listens to it \(wall - end) ms after its end", of: other, by: peer)
            }
        }
    }

    /// A peer that runs, is certified and is no liar was held for gone by another such, which was not away itself.
    func noteGone(_ owner: SimulatedPeer, at peer: SimulatedPeer) {
        guard phase == .running, now >= base, owner.isAlive, owner.isTrusted, !owner.isDeparting, peer.isTrusted,
            now >= peer.insideSince + Self.returning
        else { return }
        traffic.wronglyGone += 1
    }

    private func violated(
        _ invariant: Invariant, _ detail: String, of owner: SimulatedPeer, by peer: SimulatedPeer
    ) {
        invariants.add(invariant, at: now, peer: name(of: peer), "\(detail): \(name(of: owner))")
    }
}
