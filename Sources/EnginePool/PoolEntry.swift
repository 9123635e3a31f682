/// The states of a worker, by the public API's numbers.
package enum PoolStatus: Int, Sendable, CaseIterable {
    case unknown = 0
    case initializing = 1
    case ready = 2
    case stale = 3
}

/// One rank of one worker. Compared byte by byte: names that only look alike are different.
package struct PoolKey: Sendable, Hashable, Comparable {
    package let source: String
    package let worker: String
    package let rank: UInt32

    package init(source: String, worker: String, rank: UInt32) {
        self.source = source
        self.worker = worker
        self.rank = rank
    }

    /// The worker, whichever the rank.
    var ofWorker: PoolKey { PoolKey(source: source, worker: worker, rank: 0) }

    package static func == (left: PoolKey, right: PoolKey) -> Bool {
        left.rank == right.rank && left.worker.utf8.elementsEqual(right.worker.utf8)
            && left.source.utf8.elementsEqual(right.source.utf8)
    }

    package func hash(into hasher: inout Hasher) {
        for byte in worker.utf8 { hasher.combine(byte) }
        hasher.combine(rank)
    }

    package static func < (left: PoolKey, right: PoolKey) -> Bool {
        if !left.worker.utf8.elementsEqual(right.worker.utf8) {
            return left.worker.utf8.lexicographicallyPrecedes(right.worker.utf8)
        }
        return left.rank != right.rank
            ? left.rank < right.rank : left.source.utf8.lexicographicallyPrecedes(right.source.utf8)
    }
}

/// What a worker published, once: as its bytes, and what listings tell of it.
package struct Publication: Sendable, Hashable {
    package var model: String
    package var accelerator: String
    package var topology: [String: String]
    package var trainingStep: UInt64?
    package var layoutSignature: String?
    /// Whole, as it was sent: nothing of it is lost, known here or not.
    package var body: [UInt8]

    package init(
        model: String, accelerator: String = "", topology: [String: String] = [:], trainingStep: UInt64? = nil,
        layoutSignature: String? = nil, body: [UInt8] = []
    ) {
        self.model = model
        self.accelerator = accelerator
        self.topology = topology
        self.trainingStep = trainingStep
        self.layoutSignature = layoutSignature
        self.body = body
    }

    /// From the identity's extra parameters, as public servers do; nothing where there is no number.
    package static func trainingStep(of parameters: [String: String]) -> UInt64? {
        (parameters["training_step"] ?? parameters["version"]).flatMap { UInt64($0) }
    }
}

/// What changes while a worker lives.
package struct PoolState: Sendable, Hashable {
    /// The number as it was sent, which may be none of `PoolStatus`.
    package var status: Int
    /// Milliseconds since 1970, for clients.
    package var updatedAt: Int64
    package var load: Float?
    /// Grows with each change, whichever server made it: the higher one counts.
    package var version: UInt64

    package init(status: Int, updatedAt: Int64, load: Float? = nil, version: UInt64) {
        self.status = status
        self.updatedAt = updatedAt
        self.load = load
        self.version = version
    }
}

/// One rank of one worker, with all that is known of it.
package struct PoolEntry: Sendable, Hashable {
    package let key: PoolKey
    package var publication: Publication
    package var state: PoolState
    /// Who may change it: the caller that published it; empty where nobody was asked who he is.
    package var owner: String
    /// When it was last heard of, on the monotonic clock, milliseconds.
    package var heard: Int64

    package init(key: PoolKey, publication: Publication, state: PoolState, owner: String, heard: Int64) {
        self.key = key
        self.publication = publication
        self.state = state
        self.owner = owner
        self.heard = heard
    }

    /// How it stands at `now`; nil once it is forgotten. A worker that was never ready goes the same way as one that was.
    package func state(at now: Int64, _ timeouts: PoolTimeouts) -> PoolState? {
        let silence = max(0, now - heard)
        if state.status == PoolStatus.stale.rawValue { return silence > timeouts.forget ? nil : state }
        guard silence > timeouts.heartbeat else { return state }
        guard silence - timeouts.heartbeat <= timeouts.forget else { return nil }
        var stale = state
        stale.status = PoolStatus.stale.rawValue
        // As if somebody had noticed and marked it at that moment.
        if stale.updatedAt > 0 { stale.updatedAt += timeouts.heartbeat }
        return stale
    }

    /// How long it may still be silent before it is forgotten, milliseconds; the life that a store gives it.
    package func life(_ timeouts: PoolTimeouts) -> Int64 {
        state.status == PoolStatus.stale.rawValue ? timeouts.forget : timeouts.heartbeat + timeouts.forget
    }
}
