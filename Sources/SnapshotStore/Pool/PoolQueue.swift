/// Rows that Redis has not taken yet: each once, in its newest version, the one put first in front. Heartbeats wait apart, to be
/// written together now and then.
struct PoolQueue: Sendable {
    struct Waiting: Sendable {
        var row: PoolRow
        /// `MonotonicClock` time at which the row's life ends, so that waiting doesn't prolong it.
        var deadline: UInt64
    }

    let limits: PoolStoreLimits
    private var rows: [[UInt8]: Waiting] = [:]
    private var urgent: [[UInt8]] = []
    private var firstUrgent = 0
    private var calm: Set<[UInt8]> = []
    private(set) var bytes = 0
    /// Sent, and not answered yet.
    var inFlight = 0
    var isWakePosted = false
    var isStopped = false
    /// Rows were dropped, so only a refill brings them to Redis.
    var isIncomplete = false
    var isConnected = false

    init(limits: PoolStoreLimits) { self.limits = limits }

    var count: Int { rows.count }
    var hasUrgent: Bool { firstUrgent < urgent.count }

    /// False when there is no room for it.
    mutating func add(_ waiting: Waiting, isCalm: Bool) -> Bool {
        let id = waiting.row.id
        var merged = waiting
        if let known = rows[id] {
            guard waiting.row.version >= known.row.version else { return true }
            if merged.row.body == nil { merged.row.body = known.row.body }
        } else {
            guard rows.count < limits.pendingRows else { return false }
        }
        let size = merged.row.body?.count ?? 0
        let before = rows[id]?.row.body?.count ?? 0
        guard bytes - before + size <= limits.pendingBytes else { return false }
        let isNew = rows.updateValue(merged, forKey: id) == nil
        bytes += size - before
        if isCalm {
            if isNew { calm.insert(id) }
        } else if isNew || calm.remove(id) != nil {
            urgent.append(id)
        }
        return true
    }

    /// Makes all heartbeats that wait go with the next batches.
    mutating func endCalm() {
        urgent += calm
        calm = []
    }

    /// The oldest rows, up to the bounds of a batch, and one at least when there is any.
    mutating func take() -> [Waiting] {
        var batch: [Waiting] = []
        var size = 0
        while batch.count < limits.batchRows, firstUrgent < urgent.count {
            guard let waiting = rows[urgent[firstUrgent]] else {
                firstUrgent += 1
                continue
            }
            let bodySize = waiting.row.body?.count ?? 0
            guard batch.isEmpty || size + bodySize <= limits.batchBytes else { break }
            rows[urgent[firstUrgent]] = nil
            firstUrgent += 1
            size += bodySize
            bytes -= bodySize
            batch.append(waiting)
        }
        if firstUrgent * 2 >= urgent.count {
            urgent.removeFirst(firstUrgent)
            firstUrgent = 0
        }
        inFlight = batch.count
        return batch
    }

    /// Takes back what could not be sent. It had its room before, so the bounds may be passed by one batch.
    mutating func giveBack(_ unsent: [Waiting]) {
        inFlight = 0
        for waiting in unsent {
            if let known = rows[waiting.row.id] {
                guard known.row.body == nil, let body = waiting.row.body else { continue }
                rows[waiting.row.id]?.row.body = body
                bytes += body.count
            } else {
                rows[waiting.row.id] = waiting
                urgent.append(waiting.row.id)
                bytes += waiting.row.body?.count ?? 0
            }
        }
    }
}
