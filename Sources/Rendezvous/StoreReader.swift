import EventThread
import MeshTransport
import PeerLogic
import Records
import SnapshotStore
import Telemetry

/// Gives the peer what the store holds, once: at the start, or when Redis is there for the first time.
final class StoreReader: Sendable {
    /// Frames handed to the peer's thread at once: each costs a signature check, and the mesh waits meanwhile.
    private static let batch = 256

    private let host: PeerHost
    private let store = Guarded<SnapshotStore?>(nil)
    private let isDone = Guarded(false)
    private let log = Log(component: "store")

    init(host: PeerHost) { self.host = host }

    func attach(_ store: SnapshotStore) { self.store.withLock { $0 = store } }

    /// Reads the store unless that has been done. What it held is judged like what anybody says; when the store can't be read, that
    /// is logged, and the next call tries again.
    func restoreOnce() async {
        guard let store = store.withLock({ $0 }), !isDone.withLock({ $0 }) else { return }
        do throws(RedisError) {
            let records = try await store.load()
            isDone.withLock { $0 = true }
            for batch in Self.batches(of: records) {
                host.submit(.restored(batch))
                // Until the peer has looked at it.
                _ = try? await host.query { _ in }
            }
            log.info("read the store", [("records", records.count)])
        } catch {
            log.warning("the store can't be read: serving from memory", [("reason", "\(error)")])
        }
    }

    /// Revocations first; then peer by peer, of each all frames in one batch: its own record first, its beacon last.
    static func batches(of records: [StoredRecord]) -> [[[UInt8]]] {
        func isRevocation(_ record: StoredRecord) -> Bool { record.kind == Purpose.revocation.rawValue }
        let ordered = records.filter { !isRevocation($0) }.sorted { ($0.owner, $0.kind) < ($1.owner, $1.kind) }
        var batches = [records.filter(isRevocation).map(\.frame)]
        var owner: PeerID?
        for record in ordered {
            if record.owner != owner, batches[batches.count - 1].count >= batch { batches.append([]) }
            batches[batches.count - 1].append(record.frame)
            owner = record.owner
        }
        return batches.filter { !$0.isEmpty }
    }
}
