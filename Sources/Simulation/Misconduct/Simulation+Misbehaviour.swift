import Mesh
import PeerLogic
import Records
import Trust

/// Certified peers that lie. What they send goes the way of all frames, so that bounds, counts and verification meet it too.
extension Simulation {
    /// How late a peer is that delays, nanoseconds.
    private static let lateness = 2 * Duration64.second
    /// Frames that a liar publishes at once.
    private static let burst = 25
    /// How far ahead of the real version a forged one is.
    private static let leap: UInt64 = 1_000

    func turn(_ peer: SimulatedPeer, into misbehaviour: Misbehaviour) {
        peer.misbehaviour = misbehaviour
        peer.heard = frames(heldBy: peer)
        truth.lie(peer.index)
        if misbehaviour.period != nil { schedule(.misbehave(peer.index), after: 0) }
    }

    /// When a frame that the peer's logic wants sent leaves; nil: never.
    func departure(of head: GossipHead, from peer: SimulatedPeer, at time: UInt64) -> UInt64? {
        switch peer.misbehaviour {
        case .mute: nil
        case .drop: head.hops > 0 ? nil : time
        case .delay: time + Self.lateness
        case .replay, .forge, .equivocate, .boast, .eclipse, .spam, nil: time
        }
    }

    func misbehave(_ peer: SimulatedPeer) {
        guard peer.isAlive, let misbehaviour = peer.misbehaviour, let period = misbehaviour.period else { return }
        for _ in 0..<(period >= Duration64.second ? 1 : Self.burst) {
            switch misbehaviour {
            case .replay: if let frame = peer.heard.randomElement(using: &faultGenerator) { inject(frame, from: peer) }
            case .forge: if let frame = forged(by: peer) { inject(frame, from: peer) }
            case .spam: if let frame = spoiled(by: peer) { inject(frame, from: peer) }
            case .equivocate: contradict(peer)
            case .boast: boast(peer)
            case .mute, .drop, .delay, .eclipse: break
            }
        }
        schedule(.misbehave(peer.index), after: period)
    }

    /// To all that listen, or to a part of them.
    private func inject(_ frame: [UInt8], from peer: SimulatedPeer, to isChosen: (Int) -> Bool = { _ in true }) {
        for other in peer.links.others.sorted() where peer.links[other].isListening && isChosen(other) {
            // The receiver counts gaps, not frames: a counter that stands still is a duplicate to it.
            publish(frame, GossipHead(counter: peer.lastCounter, hops: 1), from: peer, to: peers[other].id, at: now)
        }
    }

    /// Everything that a peer holds, as a store would be given it.
    func frames(heldBy peer: SimulatedPeer) -> [[UInt8]] {
        let changes = peer.running?.lend { $0.mesh.everything() } ?? []
        return changes.compactMap { change in
            switch change {
            case .record(_, _, _, _, _, let frame), .renewed(_, _, _, let frame): frame
            default: nil
            }
        }
    }

    // MARK: Lies

    private func announcement(of peer: SimulatedPeer, isOwn: Bool) -> (SignedFrame, Announcement)? {
        let frames = peer.heard.compactMap { bytes -> (SignedFrame, Announcement)? in
            guard let frame = try? SignedFrame(decoding: bytes), frame.purpose == .announcement,
                (frame.author == peer.id) == isOwn, let announcement = try? Announcement(decoding: frame.payload)
            else { return nil }
            return (frame, announcement)
        }
        return frames.randomElement(using: &faultGenerator)
    }

    /// Another's offer in a version that it never signed, under its old signature or under the liar's own.
    private func forged(by peer: SimulatedPeer) -> [UInt8]? {
        guard let (frame, old) = announcement(of: peer, isOwn: false) else { return nil }
        let version = Version(
            incarnation: old.version.incarnation,
            sequence: old.version.sequence + UInt64.random(in: 1...Self.leap, using: &faultGenerator))
        let payload = old.changed(version: version, slots: old.slots).encoded
        let message = Purpose.announcement.signingBytes(cluster: cluster.id, payload: payload)
        let isSigned = Bool.random(using: &faultGenerator)
        let signature = isSigned ? peer.signer.sign(message) : frame.signature
        return SignedFrame(purpose: .announcement, author: frame.author, payload: payload, signature: signature).encoded
    }

    /// Something that was heard, with another signature.
    private func spoiled(by peer: SimulatedPeer) -> [UInt8]? {
        guard let bytes = peer.heard.randomElement(using: &faultGenerator),
            let frame = try? SignedFrame(decoding: bytes),
            let signature = Signature(faultGenerator.nextBytes(Signature.byteCount))
        else { return nil }
        return SignedFrame(purpose: frame.purpose, author: frame.author, payload: frame.payload, signature: signature)
            .encoded
    }

    /// The content of another one's machine, as if it were its own; or everything is taken back.
    private func boast(_ peer: SimulatedPeer) {
        let offering = machines.filter { $0.offers && $0.index != peer.machine }
        guard let victim = offering.randomElement(using: &faultGenerator) else { return }
        let content = content(ofMachine: victim.index)
        let isOffered = peer.boasts.contains(victim.index)
        if isOffered { peer.boasts.remove(victim.index) } else { peer.boasts.insert(victim.index) }
        arrived(.local(isOffered ? .withdraw(content.manifest.id) : .serve(content)), at: peer)
    }

    /// Half of those that listen are told one thing, half another, both rightly signed.
    private func contradict(_ peer: SimulatedPeer) {
        guard let (frame, old) = announcement(of: peer, isOwn: true) else { return }
        let payload = old.changed(version: old.version, slots: old.slots &+ 1).encoded
        let message = Purpose.announcement.signingBytes(cluster: cluster.id, payload: payload)
        let other = SignedFrame(
            purpose: .announcement, author: peer.id, payload: payload, signature: peer.signer.sign(message))
        inject(frame.encoded, from: peer) { $0.isMultiple(of: 2) }
        inject(other.encoded, from: peer) { !$0.isMultiple(of: 2) }
    }
}

extension Announcement {
    fileprivate func changed(version: Version, slots: UInt16) -> Announcement {
        Announcement(
            version: version, validity: validity, identity: identity, rank: rank, state: state, manifest: manifest,
            introduction: introduction, coverageEighths: coverageEighths, totalBytes: totalBytes, lanes: lanes,
            slots: slots, deviceKind: deviceKind)
    }
}
