import Mesh
import PeerLogic
import Records
import Trust

/// Two releases in one mesh. The newer one says everything that this one does, and beside it what a later release may add without
/// asking anybody: frames of the next wire version, records for purposes that aren't known yet, values that aren't, bundles of another
/// kind, messages with other tags.
extension Simulation {
    private static let newsPeriod = Duration64.second
    /// No purpose, kind of lane or message tag has this number yet.
    private static let unknown: UInt8 = 200

    func upgrade(_ peer: SimulatedPeer) {
        guard !peer.isNewer else { return }
        peer.isNewer = true
        schedule(.saysNews(peer.index), after: 0)
    }

    func sayNews(_ peer: SimulatedPeer) {
        guard peer.isAlive else { return }
        let news = self.news(of: peer)
        for other in peer.links.others.sorted() where peers[other].isAlive && !peers[other].isNewer {
            if peer.links[other].isListening {
                for frame in news {
                    let head = GossipHead(counter: peer.lastCounter, hops: 1)
                    publish(frame, head, from: peer, to: peers[other].id, at: now)
                }
            }
            if peer.links[other].control == .open {
                send([Self.unknown, 1, 2, 3], from: peer, to: peers[other].id, at: now)
            }
        }
        schedule(.saysNews(peer.index), after: Self.newsPeriod)
    }

    private func news(of peer: SimulatedPeer) -> [[UInt8]] {
        guard
            let own = peer.running?.lend({ $0.mesh.everything() }).lazy.compactMap({ change -> [UInt8]? in
                guard case .record(_, let owner, _, .peerRecord, _, let frame) = change, owner == peer.id else {
                    return nil
                }
                return frame
            }).first
        else { return [] }
        var nextVersion = own
        nextVersion[2] = SignedFrame.wireVersion + 1
        var otherPurpose = own
        otherPurpose[3] = Self.unknown
        let bundle = Array("MXGB".utf8) + [SignedFrame.wireVersion + 1] + own
        let kind = Array("MXZZ".utf8) + [SignedFrame.wireVersion + 1] + own
        return [nextVersion, otherPurpose, bundle, kind] + (announcement(withUnknownLaneOf: peer).map { [$0] } ?? [])
    }

    /// An offer that another kind of lane leads to as well, rightly signed.
    private func announcement(withUnknownLaneOf peer: SimulatedPeer) -> [UInt8]? {
        let wall = wall(of: peer.machine)
        let content = content("news of \(peer.index)")
        let announcement = Announcement(
            version: Version(incarnation: UInt64(wall), sequence: 1), validity: Validity(issuedAt: wall, term: 8_000),
            identity: content.manifest.identity, rank: 0, state: .live, manifest: content.id, introduction: nil,
            coverageEighths: Announcement.fullCoverage, totalBytes: 4096, lanes: [.tcp], slots: 4, deviceKind: "")
        var payload = announcement.encoded
        // Behind the lane come two bytes of slots and the four of an empty kind of device.
        payload[payload.count - 7] = Self.unknown
        let message = Purpose.announcement.signingBytes(cluster: cluster.id, payload: payload)
        return SignedFrame(
            purpose: .announcement, author: peer.id, payload: payload, signature: peer.signer.sign(message)
        ).encoded
    }

    /// A peer was blocked or quarantined by another one.
    func notePunished(_ id: PeerID, by peer: SimulatedPeer) {
        guard let index = index(of: id) else { return }
        let other = peers[index]
        guard other.misbehaviour == nil, other.faults.isEmpty, peer.misbehaviour == nil, peer.faults.isEmpty else {
            return
        }
        invariants.add(.standing, at: now, peer: name(of: peer), "it blocks or quarantines \(name(of: other))")
    }
}
