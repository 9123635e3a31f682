import EventThread
import Mesh
import MeshTransport
import PeerLogic
import Records
import SnapshotStore
import Telemetry

/// Writes what the mesh holds to the store, verbatim, and the peers' renewals now and then.
///
/// Effects come on the peer's thread, the store's callbacks on its own.
final class StoreKeeper: PeerEffectHandler {
    /// A peer's life in the store is lengthened once in this part of its term (mesh.md): an outage of the server costs nothing that
    /// lives, and Redis gets few writes.
    private static let renewalsPerTerm: Int64 = 3
    /// A record that lives for less than this in the store is gone before it is read; renewals lengthen it.
    private static let shortestLife: Int64 = 1

    /// What is known of a peer, to tell its goodbye from its end and to know when its renewal is due.
    private struct Owner: Sendable {
        /// Of its own record.
        var version: Version
        /// Milliseconds since 1970, as are the others.
        var validUntil: Int64
        var nextRenewal: Int64 = 0
    }

    private let store = Guarded<SnapshotStore?>(nil)
    /// As many as the mesh holds peers.
    private let owners = Guarded<[PeerID: Owner]>([:])

    func attach(_ store: SnapshotStore) { self.store.withLock { $0 = store } }

    func perform(_ effect: PeerEffect) {
        guard case .mesh(.changed(let change)) = effect else { return }
        take(change, isRefill: false)
    }

    /// Puts everything again, after Redis was away.
    func refill(_ changes: [MeshChange]) {
        for change in changes { take(change, isRefill: true) }
    }

    private func take(_ change: MeshChange, isRefill: Bool) {
        guard let store = store.withLock({ $0 }) else { return }
        let now = WallClock.now()
        switch change {
        case .record(let id, let owner, let version, let purpose, let validUntil, let frame):
            if purpose == .peerRecord { note(owner, version, validUntil) }
            put(id, owner, purpose, version, validUntil, frame, now, store)
        case .renewed(let owner, let validUntil, let version, let beacon):
            guard isDue(owner, validUntil, now) || isRefill else { return }
            put(RecordKeys.beacon(owner), owner, .beacon, version, validUntil, beacon, now, store)
            store.renew(owner: owner, remainingLife: UInt64(max(validUntil - now, Self.shortestLife)))
        case .gone(let peer): forget(peer, now, store)
        case .revoked(let id, let until, let notice):
            // Nobody owns it, and it has one version: it is kept until what it revokes has ended by itself.
            put(RecordID(id), PeerID(id), .revocation, Version(incarnation: 0, sequence: 1), until, notice, now, store)
        case .channel, .neighbour, .blocked, .refused, .quarantined: break
        }
    }

    private func put(
        _ id: RecordID, _ owner: PeerID, _ purpose: Purpose, _ version: Version, _ validUntil: Int64,
        _ frame: [UInt8], _ now: Int64, _ store: SnapshotStore
    ) {
        store.put(
            StoredRecord(
                recordID: id, owner: owner, kind: purpose.rawValue, version: version,
                remainingLife: UInt64(max(validUntil - now, Self.shortestLife)), frame: frame))
    }

    private func note(_ owner: PeerID, _ version: Version, _ validUntil: Int64) {
        owners.withLock { owners in
            let known = owners[owner]
            owners[owner] = Owner(
                version: version, validUntil: max(validUntil, known?.validUntil ?? 0),
                nextRenewal: known?.nextRenewal ?? 0)
        }
    }

    private func isDue(_ owner: PeerID, _ validUntil: Int64, _ now: Int64) -> Bool {
        owners.withLock { owners in
            owners[owner]?.validUntil = validUntil
            guard now >= owners[owner]?.nextRenewal ?? 0 else { return false }
            owners[owner]?.nextRenewal = now + max(validUntil - ValidityLimits.skew - now, 0) / Self.renewalsPerTerm
            return true
        }
    }

    /// What ended by itself ends in the store as well. A peer that left before its time must not come back with the next start of a
    /// server: without its own record, nothing that it said is believed.
    private func forget(_ peer: PeerID, _ now: Int64, _ store: SnapshotStore) {
        guard let owner = owners.withLock({ $0.removeValue(forKey: peer) }), now < owner.validUntil else { return }
        store.remove(RecordKeys.peer(peer), version: owner.version)
    }
}
