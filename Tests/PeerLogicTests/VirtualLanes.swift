import Mesh
import PeerLogic
import Records
import Testing
import Transfer

/// The way of one lease's bytes, which are not there: only chunks and the time that they take.
struct VirtualLane {
    let pull: PullID
    let manifest: ManifestID
    let source: Int
    let reader: Int
    var isClosing = false
    /// Chunks that may still land.
    var reads: Set<Int> = []
    /// Chunks on their way into bounce chunks.
    var copies: Set<Int> = []
}

extension VirtualMesh {
    mutating func openLane(_ pull: PullID, _ peer: PeerID, _ grant: LeaseGrant, reader: Int) {
        guard let source = index(of: peer) else { return }
        lanes[grant.lease] = VirtualLane(pull: pull, manifest: grant.manifest, source: source, reader: reader)
        schedule(.laneOpening(grant.lease), at: reader, after: latency() + latency())
    }

    mutating func laneOpening(_ lease: LeaseID) {
        guard let lane = lanes[lease], !lane.isClosing, !isCut(lane.reader, lane.source) else { return }
        guard nodes[lane.source].isAlive, nodes[lane.source].leases[lease] == lane.manifest else {
            handle(.lane(lane.pull, .laneFailed(lease, "the source knows no such lease")), at: lane.reader)
            return
        }
        handle(.lane(lane.pull, .laneOpened(lease)), at: lane.reader)
    }

    /// Both NICs take their time for a chunk, one after the other.
    mutating func read(_ lease: LeaseID, _ chunk: Int, into place: ReadPlace) {
        guard let lane = lanes[lease] else {
            Issue.record("a read without a lane; \(note)")
            return
        }
        let others = lanes.values.contains {
            $0.reader == lane.reader && $0.pull == lane.pull && $0.reads.contains(chunk)
        }
        #expect(!others || place == .bounce, "chunk \(chunk) has one outstanding writer; \(note)")
        if place == .bounce { lanes[lease]?.copies.insert(chunk) } else { lanes[lease]?.reads.insert(chunk) }
        let start = max(now, nodes[lane.source].nicFreeAt, nodes[lane.reader].nicFreeAt)
        let end = start + settings.chunkTime
        nodes[lane.source].nicFreeAt = end
        nodes[lane.reader].nicFreeAt = end
        schedule(.readEnd(lease, chunk: chunk), at: lane.reader, after: end - now)
    }

    mutating func readEnded(_ lease: LeaseID, _ chunk: Int) {
        guard let lane = lanes[lease], lane.reads.contains(chunk) || lane.copies.contains(chunk),
            nodes[lane.source].isAlive,
            nodes[lane.source].pausedUntil <= now, !isCut(lane.reader, lane.source),
            nodes[lane.source].leases[lease] == lane.manifest
        else { return }
        lanes[lease]?.reads.remove(chunk)
        let isCopy = lanes[lease]?.copies.remove(chunk) != nil
        let hasChunk = nodes[lane.source].content[lane.manifest]?.contains(chunk) == true
        guard hasChunk else {
            handle(.lane(lane.pull, .failed(lease, chunk: chunk, .notAvailable)), at: lane.reader)
            return
        }
        guard !nodes[lane.source].wrongChunks.contains(chunk) else {
            handle(.lane(lane.pull, .failed(lease, chunk: chunk, .wrongBytes("its CRC is wrong"))), at: lane.reader)
            return
        }
        if isCopy {
            nodes[lane.reader].bounced[lease] = lane.manifest
            handle(.lane(lane.pull, .bounced(lease, chunk: chunk, bytes: 4096)), at: lane.reader)
        } else {
            nodes[lane.reader].content[lane.manifest]?.insert(chunk)
            handle(.lane(lane.pull, .verified(lease, chunk: chunk, bytes: 4096)), at: lane.reader)
        }
        handle(.served(lease, bytes: 4096), at: lane.source)
    }

    mutating func place(_ pull: PullID, _ lease: LeaseID, _ chunk: Int, at node: Int) {
        if let manifest = nodes[node].bounced[lease] { nodes[node].content[manifest]?.insert(chunk) }
        schedule(.event(.lane(pull, .placed(lease, chunk: chunk))), at: node, after: Duration64.millisecond)
    }

    /// The source's side is gone: the reader's end of the connection says so.
    mutating func breakLane(_ lease: LeaseID) {
        guard let lane = lanes[lease] else { return }
        schedule(.laneClosed(lease), at: lane.reader, after: latency())
    }

    mutating func laneClosed(_ lease: LeaseID) {
        guard let lane = lanes.removeValue(forKey: lease) else { return }
        handle(.lane(lane.pull, .laneClosed(lease)), at: lane.reader)
    }
}
