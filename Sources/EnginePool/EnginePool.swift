/// Now, by both clocks, milliseconds.
package struct PoolTime: Sendable, Hashable {
    /// For durations.
    package var monotonic: Int64
    /// Since 1970, for what clients are told.
    package var wall: Int64

    package init(monotonic: Int64, wall: Int64) {
        self.monotonic = monotonic
        self.wall = wall
    }
}

/// Why a change is not taken.
package enum PoolRefusal: Error, Hashable, Sendable {
    /// Nobody published it, or it was forgotten.
    case unknown(PoolKey)
    /// Somebody else published it.
    case notOwner(PoolKey)
    case tooManyWorkers(limit: Int)
    case tooManyBytes(limit: Int)
    case tooLong(what: String, bytes: Int, limit: Int)
}

extension PoolRefusal: CustomStringConvertible {
    package var description: String {
        switch self {
        case .unknown(let key): "rank \(key.rank) not found in source '\(key.source)' worker '\(key.worker)'"
        case .notOwner(let key):
            "worker '\(key.worker)' of source '\(key.source)' was published by another caller, who alone may change it"
        case .tooManyWorkers(let limit):
            "this server holds \(limit) workers, as many as it may; those that end are forgotten with time"
        case .tooManyBytes(let limit):
            "this server holds \(limit) bytes of metadata, as many as it may (MX_GRPC_POOL_BYTES); leave the tensors with the "
                + "workers (MX_P2P_METADATA=1), or allow more"
        case .tooLong(let what, let bytes, let limit): "\(what) has \(bytes) bytes, more than \(limit)"
        }
    }
}

/// The sources that engines published over the public API, and the rules by which they are listed, changed and forgotten. A value
/// without a clock: what has ended follows from `now`.
package struct EnginePool: Sendable {
    /// The ranks of one worker, in ascending order. Almost always one.
    private typealias Ranks = [PoolEntry]

    package let limits: PoolLimits
    package let timeouts: PoolTimeouts
    /// By source, then by worker, which stands there as its rank 0.
    private var sources: [String: [PoolKey: Ranks]] = [:]
    package private(set) var count = 0
    package private(set) var bytes = 0

    package init(limits: PoolLimits = PoolLimits(), timeouts: PoolTimeouts = PoolTimeouts()) {
        self.limits = limits
        self.timeouts = timeouts
    }

    /// The entry as it is kept, whether or not its time is over.
    package func entry(_ key: PoolKey) -> PoolEntry? {
        sources[key.source]?[key.ofWorker]?.first { $0.key.rank == key.rank }
    }

    package var entries: [PoolEntry] { sources.values.flatMap { $0.values.joined() } }

    // MARK: Changes by clients

    /// Takes the place of what this worker published before.
    ///
    /// - Parameter caller: who asks; nil where nobody is asked who he is.
    package mutating func publish(
        _ key: PoolKey, _ publication: Publication, status: Int, updatedAt: Int64, caller: String?, now: PoolTime
    ) throws(PoolRefusal) -> PoolEntry {
        let known = entry(key)
        try check(known, caller, now)
        try check(key, publication)
        guard known != nil || count < limits.workers else { throw .tooManyWorkers(limit: limits.workers) }
        guard bytes - (known?.publication.body.count ?? 0) + publication.body.count <= limits.bodyBytes else {
            throw .tooManyBytes(limit: limits.bodyBytes)
        }
        let state = PoolState(status: status, updatedAt: updatedAt, version: Self.version(after: known, now))
        let entry = PoolEntry(
            key: key, publication: publication, state: state, owner: caller ?? "", heard: now.monotonic)
        set(entry)
        return entry
    }

    /// A new state, which is a heartbeat too.
    package mutating func update(
        _ key: PoolKey, status: PoolStatus, load: Float?, caller: String?, now: PoolTime
    ) throws(PoolRefusal) -> PoolEntry {
        guard var entry = entry(key), entry.state(at: now.monotonic, timeouts) != nil else { throw .unknown(key) }
        try check(entry, caller, now)
        entry.state = PoolState(
            status: status.rawValue, updatedAt: now.wall, load: load, version: Self.version(after: entry, now))
        entry.heard = now.monotonic
        set(entry)
        return entry
    }

    private func check(_ known: PoolEntry?, _ caller: String?, _ now: PoolTime) throws(PoolRefusal) {
        guard let known, let caller, !known.owner.isEmpty, known.owner != caller,
            known.state(at: now.monotonic, timeouts) != nil
        else { return }
        throw .notOwner(known.key)
    }

    private func check(_ key: PoolKey, _ publication: Publication) throws(PoolRefusal) {
        guard key.worker.utf8.count <= limits.workerIDBytes else {
            throw .tooLong(what: "worker_id", bytes: key.worker.utf8.count, limit: limits.workerIDBytes)
        }
        let identity = publication.model.utf8.count + (publication.layoutSignature?.utf8.count ?? 0)
        guard identity <= limits.identityBytes else {
            throw .tooLong(what: "the identity", bytes: identity, limit: limits.identityBytes)
        }
        let listed = publication.topology.reduce(publication.accelerator.utf8.count) {
            $0 + $1.key.utf8.count + $1.value.utf8.count
        }
        guard listed <= limits.listedBytes else {
            throw .tooLong(what: "accelerator and topology", bytes: listed, limit: limits.listedBytes)
        }
    }

    private static func version(after known: PoolEntry?, _ now: PoolTime) -> UInt64 {
        max(UInt64(clamping: now.wall), (known?.state.version ?? 0) &+ 1)
    }

    // MARK: Questions

    /// What a worker published, of its lowest rank.
    package func metadata(source: String, worker: String, now: PoolTime) -> (entry: PoolEntry, state: PoolState)? {
        let ranks = sources[source]?[PoolKey(source: source, worker: worker, rank: 0)] ?? []
        for entry in ranks {
            if let state = entry.state(at: now.monotonic, timeouts) { return (entry, state) }
        }
        return nil
    }

    /// The workers that a filter lets through, each as its lowest rank, those first that were heard of last.
    package func list(_ filter: PoolFilter, now: PoolTime) -> [PoolListing] {
        let candidates = filter.source.map { sources[$0].map { [$0] } ?? [] } ?? Array(sources.values)
        var found: [PoolListing] = []
        for source in candidates {
            for ranks in source.values {
                guard let listing = listing(ranks, filter, now) else { continue }
                found.append(listing)
            }
        }
        found.sort { left, right in
            left.state.updatedAt != right.state.updatedAt
                ? left.state.updatedAt > right.state.updatedAt : left.key < right.key
        }
        if let limit = filter.limit, limit > 0, found.count > limit { found.removeSubrange(Int(limit)...) }
        return found
    }

    private func listing(_ ranks: Ranks, _ filter: PoolFilter, _ now: PoolTime) -> PoolListing? {
        var first: PoolListing?
        var hasStatus = filter.status == nil
        for entry in ranks {
            guard let state = entry.state(at: now.monotonic, timeouts) else { continue }
            if first == nil { first = PoolListing(key: entry.key, publication: entry.publication, state: state) }
            hasStatus = hasStatus || state.status == filter.status?.rawValue
        }
        guard let first, hasStatus, filter.takes(first) else { return nil }
        return first
    }

    /// How many workers there are in each state, and how many models.
    package func tally(now: PoolTime) -> PoolTally {
        var tally = PoolTally(bytes: bytes)
        var models: Set<[UInt8]> = []
        for entry in sources.values.lazy.flatMap({ $0.values.joined() }) {
            guard let state = entry.state(at: now.monotonic, timeouts) else { continue }
            tally.workers += 1
            tally.byStatus[PoolStatus(rawValue: state.status) ?? .unknown, default: 0] += 1
            models.insert(Array(entry.publication.model.utf8))
        }
        tally.models = models.count
        return tally
    }

    // MARK: Other servers' words, and the end

    /// Takes what another server, or an earlier run, wrote, unless a newer state is known. The bounds hold for it too.
    package mutating func adopt(_ entry: PoolEntry) -> Bool {
        let known = self.entry(entry.key)
        guard known.map({ $0.state.version < entry.state.version }) ?? (count < limits.workers) else { return false }
        guard bytes - (known?.publication.body.count ?? 0) + entry.publication.body.count <= limits.bodyBytes else {
            return false
        }
        set(entry)
        return true
    }

    /// The same of a state alone; false also where there is no such worker.
    package mutating func adopt(_ state: PoolState, of key: PoolKey, heard: Int64) -> Bool {
        guard var entry = entry(key), entry.state.version < state.version else { return false }
        entry.state = state
        entry.heard = heard
        set(entry)
        return true
    }

    package mutating func remove(_ key: PoolKey) {
        guard let old = entry(key) else { return }
        count -= 1
        bytes -= old.publication.body.count
        sources[key.source]?[key.ofWorker]?.removeAll { $0.key.rank == key.rank }
        if sources[key.source]?[key.ofWorker]?.isEmpty == true { sources[key.source]?[key.ofWorker] = nil }
        if sources[key.source]?.isEmpty == true { sources[key.source] = nil }
    }

    /// Lets go of what is forgotten anyway, and says what it was.
    package mutating func sweep(now: PoolTime) -> [PoolKey] {
        let ended = entries.filter { $0.state(at: now.monotonic, timeouts) == nil }.map(\.key)
        for key in ended { remove(key) }
        return ended
    }

    private mutating func set(_ entry: PoolEntry) {
        let key = entry.key
        bytes += entry.publication.body.count
        let position = sources[key.source]?[key.ofWorker]?.firstIndex { $0.key.rank >= key.rank }
        if let position, let old = sources[key.source]?[key.ofWorker]?[position], old.key.rank == key.rank {
            bytes -= old.publication.body.count
            sources[key.source]?[key.ofWorker]?[position] = entry
        } else {
            count += 1
            let ranks = sources[key.source]?[key.ofWorker] ?? []
            sources[key.source, default: [:]][key.ofWorker, default: []].insert(entry, at: position ?? ranks.count)
        }
    }
}
