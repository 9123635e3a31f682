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
    /// A peer's expiry is written at most this often: a third of the cap on terms, milliseconds (mesh.md: once per third of
    /// a term).
    private static let renewalPeriod: Int64 = 2_500
    /// A record that lives for less than this in the store is gone before it is read; renewals lengthen it.
    private static let shortestLife: Int64 = 1

    private let store = Guarded<SnapshotStore?>(nil)
    private let renewals = Guarded<[PeerID: Int64]>([:])

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
            put(id, owner, purpose, version, validUntil, frame, now, store)
        case .renewed(let owner, let validUntil, let version, let beacon):
            guard isRefill || isDue(owner, now) else { return }
            put(RecordKeys.beacon(owner), owner, .beacon, version, validUntil, beacon, now, store)
            store.renew(owner: owner, remainingLife: UInt64(max(validUntil - now, Self.shortestLife)))
        case .gone(let peer): renewals.withLock { $0[peer] = nil }
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

    private func isDue(_ owner: PeerID, _ now: Int64) -> Bool {
        renewals.withLock { renewals in
            if let last = renewals[owner], now < last + Self.renewalPeriod { return false }
            renewals[owner] = now
            return true
        }
    }
}
