import Digest
import Mesh
import Records

/// What peers say that they took and let go is noted, and held against what was really signed.
extension Simulation {
    func observe(_ change: MeshChange, at peer: SimulatedPeer, _ time: UInt64) {
        switch change {
        case .record(let id, let owner, let version, let purpose, let validUntil, let frame):
            trace.add(id.digest.leadingWord)
            trace.add(version.sequence)
            guard let owner = index(of: owner) else { return }
            if owner == peer.index {
                signed(id, version, purpose, validUntil, frame, by: peer, time)
            } else if peer.misbehaviour == nil {
                noteTrust(of: peers[owner], frame, by: peer)
                let version =
                    purpose == .announcement ? signedVersion(version, peers[owner].id, at: peer) : version
                took(id, version, purpose, validUntil, of: owner, by: peer, time)
            }
        case .renewed(let owner, let validUntil, let version, let beacon):
            trace.add(owner.digest.leadingWord)
            trace.add(version.sequence)
            guard let owner = index(of: owner) else { return }
            if owner == peer.index {
                truth.renewed(until: validUntil, by: owner)
            } else if peer.misbehaviour == nil {
                noteTrust(of: peers[owner], beacon, by: peer)
                renewed(owner, until: validUntil, version, at: peer)
            }
        case .gone(let owner):
            trace.add(owner.digest.leadingWord)
            if let owner = index(of: owner) { noteGone(peers[owner], at: peer) }
            guard let owner = index(of: owner), truth.saysFarewell(owner, at: now),
                invariants.isWatched(peer.index)
            else {
                return
            }
            invariants.letGo(of: owner, by: peer.index, wall: wall(of: peer.machine))
        case .channel(let other, let isUp): trace.add(other.digest.leadingWord ^ (isUp ? 4 : 5))
        case .revoked(let id, _, let notice):
            trace.add(id.leadingWord)
            noteRevocation(notice, at: peer)
        case .blocked(let other):
            trace.add(other.digest.leadingWord ^ 6)
            notePunished(other, by: peer)
        case .neighbour(let other, let isUp): trace.add(other.digest.leadingWord ^ (isUp ? 1 : 2))
        case .quarantined(let other):
            trace.add(other.digest.leadingWord ^ 3)
            notePunished(other, by: peer)
        case .refused(let other, let reason):
            trace.add(other?.digest.leadingWord ?? 0)
            trace.add(reason.rawValue)
        }
    }

    /// A leaving peer's last record is sent and not held.
    func noteFarewell(_ frame: [UInt8], of peer: SimulatedPeer) {
        guard let opened = frames.open(frame, digest: frames.digest(of: frame)), opened.author == peer.id,
            opened.peerRecord?.isDeparting == true
        else { return }
        truth.signedFarewell(opened.version, by: peer.index, at: now)
    }

    private func signed(
        _ id: RecordID, _ version: Version, _ purpose: Purpose, _ validUntil: Int64, _ frame: [UInt8],
        by peer: SimulatedPeer, _ time: UInt64
    ) {
        var announcement: Announcement?
        if purpose == .announcement, let signed = try? SignedFrame(decoding: frame) {
            announcement = try? Announcement(decoding: signed.payload)
        }
        truth.signed(id, version, validUntil: validUntil, announcement: announcement, by: peer.index)
        guard announcement != nil else { return }
        for index in spreads.indices where spreads[index].record == id {
            spreads[index].signed(version, frame: frame, at: time, processes: peers.count)
        }
    }

    private func took(
        _ id: RecordID, _ version: Version, _ purpose: Purpose, _ validUntil: Int64, of owner: Int,
        by peer: SimulatedPeer, _ time: UInt64
    ) {
        if purpose == .announcement {
            for index in spreads.indices where spreads[index].record == id && spreads[index].version == version {
                spreads[index].held(by: peer.index, at: time)
            }
        }
        if !truth.hasSigned(version, owner) {
            violated(.authorship, "it took version \(version), which was never signed", owner, by: peer)
        }
        // By a clock that works, also where the peer's own was tampered with.
        if truth.isOver(owner), wall(of: peer.machine) >= truth.validUntil(of: owner) {
            violated(.resurrection, "it took a record of a peer that is over", owner, by: peer)
        }
        guard invariants.isWatched(peer.index), !truth.isFarewell(version, of: owner) else { return }
        let fault = invariants.took(id, version, purpose, validUntil: validUntil, of: owner, by: peer.index)
        if let fault { violated(fault.0, fault.1, owner, by: peer) }
    }

    private func renewed(_ owner: Int, until validUntil: Int64, _ version: Version, at peer: SimulatedPeer) {
        if validUntil > truth.validUntil(of: owner) {
            violated(.authorship, "it took a renewal that was never signed", owner, by: peer)
        }
        guard invariants.isWatched(peer.index) else { return }
        let fault = invariants.renewed(version, until: validUntil, of: owner, by: peer.index)
        if let fault { violated(fault.0, fault.1, owner, by: peer) }
    }

    private func violated(_ invariant: Invariant, _ detail: String, _ owner: Int, by peer: SimulatedPeer) {
        invariants.add(invariant, at: now, peer: name(of: peer), "\(detail): \(name(of: peers[owner]))")
    }
}
