import Digest
import Mesh
import PeerLogic
import Records
import Trust

/// Liars that show newcomers a mesh of nothing but themselves. Their logic is honest and knows everybody; what leaves them is
/// cut down to what fits the lie.
extension Simulation {
    /// What a liar lets out in place of a message; nil: nothing.
    func eclipsed(_ message: ControlMessage, from peer: SimulatedPeer) -> ControlMessage? {
        guard peer.misbehaviour == .eclipse else { return message }
        switch message {
        case .give(let frames):
            let told = frames.filter(isOfEclipse)
            return told.isEmpty ? nil : .give(frames: told)
        case .digestListing(let buckets, let entries):
            let own = eclipseRecords(heldBy: peer)
            return .digestListing(buckets: buckets, entries: entries.filter { own.contains($0.record) })
        case .snapshotPage(let request, let page): return snapshot(of: page, request, by: peer)
        case .neighbourEnd(let successor):
            let isFitting = successor.flatMap(index).map { peers[$0].misbehaviour == .eclipse } ?? false
            return .neighbourEnd(successor: isFitting ? successor : nil)
        default: return message
        }
    }

    /// Whether a frame is by one of them. Bundles, revocations and proofs are by nobody.
    func isOfEclipse(_ frame: [UInt8]) -> Bool {
        guard let author = SignedFrame.head(of: frame)?.author, let index = index(of: author) else { return false }
        return peers[index].misbehaviour == .eclipse
    }

    private func eclipseRecords(heldBy peer: SimulatedPeer) -> Set<RecordID> {
        var records: Set<RecordID> = []
        for change in peer.running?.lend({ $0.mesh.everything() }) ?? [] {
            guard case .record(let id, let owner, _, _, _, _) = change, let index = index(of: owner) else { continue }
            if peers[index].misbehaviour == .eclipse { records.insert(id) }
        }
        return records
    }

    /// A snapshot of its own making: the manifest is signed by it, and names what it tells.
    private func snapshot(of page: SnapshotPage, _ request: UInt64, by peer: SimulatedPeer) -> ControlMessage? {
        guard page.offset == 0, let signed = try? SignedFrame(decoding: page.manifest),
            let old = try? SnapshotManifest(decoding: signed.payload)
        else { return nil }
        let told = frames(heldBy: peer).filter(isOfEclipse)
        var hash = BLAKE2b()
        for frame in told { hash.update(BLAKE2b.digest(frame).bytes) }
        let authors = Set(told.compactMap { SignedFrame.head(of: $0)?.author })
        let manifest = SnapshotManifest(
            epoch: old.epoch, sequence: old.sequence, madeAt: old.madeAt, filter: old.filter,
            count: UInt32(told.count), peers: UInt32(authors.count), digest: hash.finish())
        let frame = peer.signer.frame(manifest, cluster: cluster.id).encoded
        return .snapshotPage(request: request, page: SnapshotPage(manifest: frame, offset: 0, frames: told))
    }

    /// Processes say goodbye and end, and new ones start in their places that know nobody but a few contacts, most of whom lie.
    func eclipse(_ selected: [SimulatedPeer], contacts count: Int, lying: Share) {
        for peer in selected { depart(peer) }
        for peer in selected {
            let liars = draw(lying.of(count), of: living.filter { $0.misbehaviour == .eclipse })
            let honest = draw(count - lying.of(count), of: living.filter { $0.isTrusted && !$0.isDeparting })
            machines[peer.machine].contacts = (liars + honest).sorted().map { machines[$0].address }
            machinesToStart += 1
            schedule(.start(machine: peer.machine), after: Duration64.second)
        }
    }

    /// Machines of so many of them, at random.
    private func draw(_ count: Int, of peers: [SimulatedPeer]) -> [Int] {
        var candidates = peers.map(\.machine)
        let count = min(count, candidates.count)
        for index in 0..<count {
            candidates.swapAt(index, Int.random(in: index..<candidates.count, using: &faultGenerator))
        }
        return Array(candidates.prefix(count))
    }
}
