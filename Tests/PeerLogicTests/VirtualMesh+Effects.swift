import Digest
import Mesh
import PeerLogic
import Records
import Testing
import Transfer

/// The part of the shells: what a peer wants done is done to numbers.
extension VirtualMesh {
    mutating func perform(_ effect: PeerEffect, of node: Int) {
        switch effect {
        case .mesh(let effect): perform(effect, of: node)
        case .admit(let lease, _, let manifest, _, _):
            nodes[node].leases[lease] = manifest
            #expect(nodes[node].leases.count <= nodes[node].logic.configuration.ledger.slots, "slots hold; \(note)")
        case .end(let lease):
            nodes[node].leases[lease] = nil
            breakLane(lease)
        case .prepare(let pull, let content, let manifest):
            let have = nodes[node].resumes[manifest] ?? ChunkSet(chunkCount: content.layout.chunkCount)
            nodes[node].content[manifest] = have
            schedule(.event(.destinationReady(pull, have: have)), at: node, after: Duration64.millisecond)
        case .openLane(let pull, let peer, let grant, _, _): openLane(pull, peer, grant, reader: node)
        case .read(_, let lease, let chunk, let place): read(lease, chunk, into: place)
        case .place(let pull, let lease, let chunk): place(pull, lease, chunk, at: node)
        case .closeLane(_, let lease):
            lanes[lease]?.isClosing = true
            schedule(.laneClosed(lease), at: node, after: Duration64.millisecond)
        case .look(let manifest, let chunk, _):
            let isRight = !nodes[node].wrongChunks.contains(chunk)
            schedule(.event(.looked(manifest, chunk: chunk, isRight: isRight)), at: node, after: Duration64.millisecond)
        case .available, .dropBounce: break
        case .seal(let pull): schedule(.event(.sealed(pull)), at: node, after: Duration64.millisecond)
        case .pull(let pull, let notice): nodes[node].notices[pull, default: []].append(notice)
        case .log(let entry): nodes[node].log.append(entry)
        }
    }

    private mutating func perform(_ effect: MeshEffect, of node: Int) {
        switch effect {
        case .bootstrap(let address): schedule(.bootstrap(address: address), at: node, after: latency())
        case .connect(let peer, let key, _):
            guard let other = index(of: peer), nodes[other].secrets.curveKey == key else { return }
            nodes[node].channels.insert(peer)
        case .subscribe(let peer, let key, _):
            guard let other = index(of: peer), nodes[other].secrets.curveKey == key else { return }
            nodes[node].subscriptions.insert(peer)
        case .disconnect(let peer):
            nodes[node].channels.remove(peer)
            nodes[node].subscriptions.remove(peer)
            nodes[node].admitted = nodes[node].admitted.filter { $0.value != peer }
        case .block(let peer, _, _): nodes[node].admitted = nodes[node].admitted.filter { $0.value != peer }
        case .admit(let key, let peer): nodes[node].admitted[key] = peer
        case .send(let peer, let message): send(message, from: node, to: peer)
        case .unsubscribe(let peer): nodes[node].subscriptions.remove(peer)
        case .publish(let peer, let head, let frame): publish(to: peer, head, frame, from: node)
        case .changed(let change): nodes[node].changes.append(change)
        }
    }
}
