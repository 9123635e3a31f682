/// What a listing is asked for. Nil: not asked.
package struct PoolFilter: Sendable, Hashable {
    package var source: String?
    package var status: PoolStatus?
    package var model: String?
    package var rank: UInt32?
    package var trainingStep: UInt64?
    /// Milliseconds since 1970.
    package var updatedAt: Int64?
    package var limit: UInt32?

    package init() {}

    /// Everything but the status, which any rank of a worker may have.
    func takes(_ listing: PoolListing) -> Bool {
        // A worker that never said it is ready isn't listed as ready, whatever it published.
        if status == .ready, listing.state.updatedAt <= 0 { return false }
        if let model, !model.utf8.elementsEqual(listing.publication.model.utf8) { return false }
        if let rank, rank != listing.key.rank { return false }
        if let trainingStep, (listing.publication.trainingStep ?? 0) < trainingStep { return false }
        if trainingStep != nil, listing.publication.trainingStep == nil { return false }
        if let updatedAt, listing.state.updatedAt < updatedAt { return false }
        return true
    }
}

/// One worker of a listing.
package struct PoolListing: Sendable, Hashable {
    package let key: PoolKey
    package let publication: Publication
    package let state: PoolState
}

/// What a pool holds, in figures.
package struct PoolTally: Sendable, Hashable {
    package var workers = 0
    package var models = 0
    /// Of what was published.
    package var bytes = 0
    package var byStatus: [PoolStatus: Int] = [:]

    package init(bytes: Int = 0) { self.bytes = bytes }
}
