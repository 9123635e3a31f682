import Records
import Transfer

/// A reader says that a chunk's bytes are wrong. Its memory may be at fault, the way between, or ours: so this peer digests the
/// chunk itself, and takes its offer back when its content is no longer what its manifest says. An engine that changed its
/// weights, or a file that was written to, would otherwise cost every reader of the mesh its time.
extension PeerLogic {
    /// One look at the content of a manifest.
    struct ContentLook: Sendable {
        /// No dispute is looked into before, whoever speaks of whichever chunk.
        let notBefore: UInt64
    }

    mutating func disputed(
        _ lease: LeaseID, _ chunk: Int, by reader: PeerID, _ now: Moment, _ effects: inout [PeerEffect]
    ) {
        guard let held = ledger.lease(lease), held.reader == reader, let offer = offers[held.manifest],
            offer.haveMap.contains(chunk), now.monotonic >= looks[held.manifest]?.notBefore ?? 0
        else { return }
        looks = looks.filter { offers[$0.key] != nil }
        looks[held.manifest] = ContentLook(notBefore: now.monotonic + configuration.lookPeriod)
        log(
            .warning, "a reader says that a chunk has wrong bytes; it is digested again",
            [("peer.id", reader.short), ("model", offer.manifest.identity.model), ("chunk", "\(chunk)")], &effects)
        effects.append(.look(held.manifest, chunk: chunk, offer.manifest.digests[chunk]))
    }

    mutating func looked(
        _ manifest: ManifestID, _ chunk: Int, isRight: Bool, _ now: Moment, _ effects: inout [PeerEffect]
    ) {
        guard let offer = offers[manifest], !isRight else { return }
        log(
            .error,
            "served content is no longer what its manifest says, and is offered no more: its files or its memory have changed",
            [("model", offer.manifest.identity.model), ("manifest", manifest.short), ("chunk", "\(chunk)")], &effects)
        withdraw(manifest, now, &effects)
    }
}
