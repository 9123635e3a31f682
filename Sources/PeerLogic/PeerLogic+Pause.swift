package import Records
import Transfer

/// Content that its engine is about to work on: readers leave, and come back for what is still as it was.
extension PeerLogic {
    mutating func pause(
        _ id: ManifestID, _ grace: UInt64, _ now: Moment, _ effects: inout [PeerEffect]
    ) {
        guard var offer = offers[id], offer.pausedUntil == nil else { return }
        let wasAnnounced = offer.announcedEighths != nil
        offer.pausedUntil = now.monotonic + grace
        offer.announcedEighths = nil
        offers[id] = offer
        if wasAnnounced { announce(offer, state: .tombstone, now, &effects) }
        endPaused(now, &effects)
    }

    mutating func resume(
        _ id: ManifestID, _ have: ChunkSet, _ now: Moment, _ effects: inout [PeerEffect]
    ) {
        guard offers[id] != nil else { return }
        guard !have.isEmpty || have.isFull else { return withdraw(id, now, &effects) }
        // Whoever still reads was told of chunks that may not be there any more.
        endLeases(on: id, &effects)
        offers[id]?.pausedUntil = nil
        offers[id]?.haveMap = have
        offers[id]?.untold = []
        announceIfDue(id, now, &effects)
    }

    /// Ends the leases of those who are still there when the grace of a pause is over.
    mutating func endPaused(_ now: Moment, _ effects: inout [PeerEffect]) {
        for id in offers.keys.sorted() {
            guard let end = offers[id]?.pausedUntil, now.monotonic >= end else { continue }
            endLeases(on: id, &effects)
        }
    }

    private mutating func endLeases(on id: ManifestID, _ effects: inout [PeerEffect]) {
        for lease in ledger.withdraw(id) {
            effects.append(.end(lease.id))
            send(.leaseEnded(lease: lease.id, code: .draining), to: lease.reader, &effects)
        }
    }

    /// Leases on a manifest's content.
    package func readers(of manifest: ManifestID) -> Int { ledger.leases(of: manifest).count }

    /// The introduction under which content is served, for whoever keeps it for another start.
    package func introduction(of manifest: ManifestID) -> IntroductionProof? { offers[manifest]?.proof }
}
