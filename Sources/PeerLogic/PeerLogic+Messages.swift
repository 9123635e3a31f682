import Mesh
import Records
import Transfer

/// Messages on an admitted channel: those of transfers are answered here, the rest is the mesh's.
extension PeerLogic {
    mutating func received(
        _ bytes: [UInt8], from peer: PeerID, _ now: Moment, _ effects: inout [PeerEffect]
    ) {
        let message: ControlMessage
        do {
            message = try ControlMessage(decoding: bytes)
        } catch {
            log(.debug, "message refused", [("peer.id", peer.short), ("reason", "\(error)")], &effects)
            // A newer release may know messages that this one doesn't.
            if case .unknownValue("message tag", _) = error { return }
            run(.garbage(from: peer), now, &effects)
            return
        }
        switch message {
        case .manifestRequest, .probe, .releaseReservation, .leaseRequest, .leaseRenewal, .leaseRelease, .chunkDispute:
            serve(message, to: peer, now, &effects)
        case .manifestPage, .probeAnswer, .leaseGrant, .refusal, .leaseRenewed, .leaseEnded, .haveDelta:
            readerReceived(message, from: peer, now, &effects)
        default: break
        }
        // The mesh sees every message: whatever comes shows that the edge lives.
        run(.message(from: peer, message), now, &effects)
    }

    private mutating func readerReceived(
        _ message: ControlMessage, from peer: PeerID, _ now: Moment, _ effects: inout [PeerEffect]
    ) {
        switch message {
        case .manifestPage(let request, let total, let offset, let bytes, let proof):
            receivedPage(request, total, offset, bytes, proof, from: peer, now, &effects)
            receivedIntroduction(request, proof, from: peer, now, &effects)
        case .probeAnswer(let request, let free, _, let reserved, let haveMap):
            guard let id = readingPull(asking: request) else { return }
            step(
                id, .probeAnswered(peer, request: request, freeSlots: Int(free), reserved: reserved, haveMap: haveMap),
                now, &effects)
        case .leaseGrant(let request, let grant):
            guard let id = readingPull(asking: request) else {
                // The pull that asked has ended: its slot is given back at once.
                send(.leaseRelease(lease: grant.lease, bytesRead: 0), to: peer, &effects)
                return
            }
            step(id, .granted(peer, request: request, grant), now, &effects)
        case .refusal(let request, let code, let retryAfter):
            refusedPage(request, code, from: peer, now, &effects)
            guard let id = readingPull(asking: request) else { return }
            step(id, .refused(peer, request: request, code, retryAfterMilliseconds: retryAfter), now, &effects)
        case .leaseRenewed(let lease, let duration):
            toPulls(.renewed(lease, durationMilliseconds: duration), now, &effects)
        case .leaseEnded(let lease, let code): toPulls(.leaseEnded(lease, code), now, &effects)
        case .haveDelta(let lease, let chunks): toPulls(.haveDelta(lease, chunks), now, &effects)
        default: break
        }
    }

    private func readingPull(asking request: UInt64) -> PullID? {
        pulls.values.first { pull in
            guard case .reading = pull.phase else { return false }
            return pull.firstRequest >> 32 == request >> 32
        }?.id
    }

    /// Leases have names that only the pull which holds them knows; the others ignore them.
    private mutating func toPulls(_ event: FanInEvent, _ now: Moment, _ effects: inout [PeerEffect]) {
        for id in pulls.keys.sorted() { step(id, event, now, &effects) }
    }
}
