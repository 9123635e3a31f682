import Records

/// A change of one record that Redis has not taken yet.
struct PendingWrite: Sendable {
    enum Change: Sendable {
        /// With the `MonotonicClock` time at which the record's life ends, so that waiting doesn't prolong it.
        case put(StoredRecord, deadline: UInt64)
        case remove
    }

    /// What the entry itself counts for beside its frame, in bytes.
    static let overhead = 256

    let recordID: RecordID
    let version: Version
    let change: Change

    var size: Int {
        switch change {
        case .put(let record, deadline: _): record.frame.count + Self.overhead
        case .remove: Self.overhead
        }
    }

    /// Whether this one makes `other`, for the same record, pointless: newer wins, then removal, then the longer life.
    func supersedes(_ other: PendingWrite) -> Bool {
        guard version == other.version else { return version > other.version }
        switch (change, other.change) {
        case (.remove, _): return true
        case (.put, .remove): return false
        case (.put(_, let deadline), .put(_, let otherDeadline)): return deadline >= otherDeadline
        }
    }
}

/// A longer life for records of one peer, not known to Redis yet.
struct PendingRenewal: Sendable {
    let owner: PeerID
    /// Nil for all of them.
    var records: Set<RecordID>?
    /// `MonotonicClock` time.
    var deadline: UInt64

    mutating func merge(_ other: PendingRenewal) {
        deadline = max(deadline, other.deadline)
        guard let mine = records, let theirs = other.records else {
            records = nil
            return
        }
        records = mine.union(theirs)
    }
}

/// What waits for Redis: at most one write for each record and one renewal for each peer, first in, first out.
struct PendingWrites: Sendable {
    let limits: SnapshotStoreLimits
    private var writes: [RecordID: PendingWrite] = [:]
    private var writeOrder: [RecordID] = []
    private var firstWrite = 0
    private var renewals: [PeerID: PendingRenewal] = [:]
    private(set) var bytes = 0

    init(limits: SnapshotStoreLimits) { self.limits = limits }

    var count: Int { writes.count + renewals.count }

    /// False when there is no room for it.
    mutating func add(_ write: PendingWrite) -> Bool {
        if let waiting = writes[write.recordID] {
            guard write.supersedes(waiting) else { return true }
            guard bytes - waiting.size + write.size <= limits.pendingBytes else { return false }
        } else {
            guard count < limits.pendingWrites, bytes + write.size <= limits.pendingBytes else { return false }
        }
        insert(write)
        return true
    }

    /// False when there is no room for it.
    mutating func add(_ renewal: PendingRenewal) -> Bool {
        let waiting = renewals[renewal.owner]
        guard waiting != nil || count < limits.pendingWrites else { return false }
        var merged = waiting ?? renewal
        merged.merge(renewal)
        if let records = merged.records, records.count > limits.renewedRecords { merged.records = nil }
        renewals[renewal.owner] = merged
        return true
    }

    /// The oldest writes, up to the limits of a batch, and one at least when there is any.
    mutating func takeWrites() -> [PendingWrite] {
        var batch: [PendingWrite] = []
        var size = 0
        while batch.count < limits.batchWrites, firstWrite < writeOrder.count,
            let write = writes[writeOrder[firstWrite]], batch.isEmpty || size + write.size <= limits.batchBytes
        {
            firstWrite += 1
            writes[write.recordID] = nil
            bytes -= write.size
            size += write.size
            batch.append(write)
        }
        forgetTaken()
        return batch
    }

    /// Some renewals, up to the limits of a batch. Their order doesn't matter.
    mutating func takeRenewals() -> [PendingRenewal] {
        let batch = Array(renewals.values.prefix(limits.batchWrites))
        for renewal in batch { renewals[renewal.owner] = nil }
        return batch
    }

    /// Takes back what could not be sent. It had its room before, so the bounds may be passed by one batch.
    mutating func giveBack(writes unsent: [PendingWrite], renewals unsentRenewals: [PendingRenewal]) {
        for write in unsent where writes[write.recordID].map(write.supersedes) ?? true { insert(write) }
        for renewal in unsentRenewals {
            renewals[renewal.owner]?.merge(renewal)
            if renewals[renewal.owner] == nil { renewals[renewal.owner] = renewal }
        }
    }

    private mutating func insert(_ write: PendingWrite) {
        if let waiting = writes.updateValue(write, forKey: write.recordID) {
            bytes -= waiting.size
        } else {
            writeOrder.append(write.recordID)
        }
        bytes += write.size
    }

    /// Half of the order is dead before it is moved, so that taking costs a constant for each write.
    private mutating func forgetTaken() {
        guard firstWrite * 2 >= writeOrder.count else { return }
        writeOrder.removeFirst(firstWrite)
        firstWrite = 0
    }
}
