import Digest
package import Records
import Transfer

/// One host: a source as soon as it has a chunk, a target until it has all.
package struct SwarmHost {
    let index: Int
    package let peer: PeerID
    package let plan: SwarmHostPlan
    /// Its links in the network.
    package let up: Int
    package let down: Int
    var ledger: SourceLedger
    var pull: FanIn?
    var have: ChunkSet
    /// Chunks that it holds with wrong bytes, whatever it believes.
    var spoiled: Set<Int> = []
    var untold: [UInt32] = []
    var isTelling = false
    var isAnnounced = false
    var tickAt = UInt64.max
    package internal(set) var startedAt: UInt64?
    package internal(set) var doneAt: UInt64?
    package internal(set) var isDead = false
    var isFrozen = false
    /// Other hosts it knows of; nil: all.
    var acquaintances: [Int]?
    /// Who writes where a chunk belongs, and how many reads each of its lanes has.
    var writers: [Int: LeaseID] = [:]
    var readsOf: [LeaseID: Int] = [:]
    /// Promises of a place that were given and not yet used: by reader, until when.
    var promises: [Int: UInt64] = [:]
    /// Leases and reads in flight that it served at once, at most.
    package internal(set) var leasesMost = 0
    var reads = 0
    package internal(set) var readsMost = 0

    init(index: Int, peer: PeerID, plan: SwarmHostPlan, up: Int, down: Int, ledger: SourceLedger, have: ChunkSet) {
        self.index = index
        self.peer = peer
        self.plan = plan
        self.up = up
        self.down = down
        self.ledger = ledger
        self.have = have
        isAnnounced = plan.isOrigin
    }

    /// Neither has everything from the start nor has a disk of its own to load from.
    package var isTarget: Bool { !plan.isOrigin && plan.disk == nil }
}

/// One lease and its connection.
struct SwarmLane {
    let lease: LeaseID
    let source: Int
    let reader: Int
    let connection: Int
    let window: Int
    var isClosing = false
}
