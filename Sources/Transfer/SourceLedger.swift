import Digest
package import Records

/// What a source admits: its slots, who holds a reservation or a lease, until when.
package struct SourceLedger: Sendable {
    package struct Configuration: Hashable, Sendable {
        /// Readers admitted at once (transfer.md: slot): as many as a pull keeps sources, so that in a crowd each relay gives
        /// as much as it takes. With more, those that came first are read by all, and the others' links lie idle.
        package var slots = 4
        /// Reads in flight that a lease allows; the reader's own window is bounded by what is in the wire.
        package var window: UInt16 = 16
        /// Life of a lease without renewal, and how long after it the source still waits, nanoseconds.
        package var leaseDuration: UInt64 = 10 * Duration64.second
        package var grace: UInt64 = 2 * Duration64.second
        /// How long a probe holds a slot, nanoseconds.
        package var reservation: UInt64 = 2 * Duration64.second
        /// What a reader that finds no slot is told to wait, milliseconds.
        package var retryAfter: UInt32 = 100
        /// Reservations kept at once, whoever asks.
        package var reservations = 64

        package init() {}
    }

    package struct Lease: Hashable, Sendable {
        package let id: LeaseID
        package let reader: PeerID
        package let manifest: ManifestID
        package let generation: UInt64
        /// Which of the slots it is; no other lease has it.
        package let slot: Int
        /// End on the monotonic clock, grace not included.
        package fileprivate(set) var end: UInt64
    }

    package let configuration: Configuration
    private var leases: [LeaseID: Lease] = [:]
    private var reservations: [PeerID: UInt64] = [:]
    private var generation: UInt64

    /// `generation` differs between starts of the process, so that an old lease is never taken for a new one.
    package init(configuration: Configuration, generation: UInt64) {
        self.configuration = configuration
        self.generation = generation
    }

    package var slotsInUse: Int { leases.count }
    package var sortedLeases: [Lease] { leases.values.sorted { $0.id < $1.id } }

    package func lease(_ id: LeaseID) -> Lease? { leases[id] }

    package func leases(of manifest: ManifestID) -> [Lease] { sortedLeases.filter { $0.manifest == manifest } }

    /// When something ends next, on the monotonic clock.
    package var nextDeadline: UInt64? {
        leases.values.map { $0.end + configuration.grace }.min()
    }

    /// Answers a probe: free slots, and whether one is now held for the reader.
    package mutating func probe(by reader: PeerID, now: Moment) -> (free: Int, reserved: Bool) {
        dropReservations(now)
        let free = freeSlots(besides: reader)
        guard free > 0, reservations[reader] != nil || reservations.count < configuration.reservations else {
            return (max(free, 0), false)
        }
        reservations[reader] = now.monotonic + configuration.reservation
        return (free, true)
    }

    package mutating func releaseReservation(of reader: PeerID) { reservations[reader] = nil }

    /// Grants a slot, or nil when all are taken. A reader has one lease for each manifest; an older one is replaced.
    ///
    /// - Parameter limit: nanoseconds that the reader's certificate still holds; a lease never goes past it.
    package mutating func request(
        by reader: PeerID, manifest: ManifestID, id: LeaseID, limit: UInt64 = .max, now: Moment
    ) -> (lease: Lease, replaced: LeaseID?)? {
        dropReservations(now)
        let older = leases.values.first { $0.reader == reader && $0.manifest == manifest }
        guard older != nil || freeSlots(besides: reader) > 0 else { return nil }
        reservations[reader] = nil
        if let older { leases[older.id] = nil }
        generation += 1
        let taken = Set(leases.values.map(\.slot))
        let slot = (0..<configuration.slots).first { !taken.contains($0) } ?? 0
        let lease = Lease(
            id: id, reader: reader, manifest: manifest, generation: generation, slot: slot,
            end: now.monotonic + min(configuration.leaseDuration, limit))
        leases[id] = lease
        return (lease, older?.id)
    }

    /// Prolongs a lease of this reader, as far as `limit` allows. False when there is none: it has ended.
    package mutating func renew(_ id: LeaseID, by reader: PeerID, limit: UInt64 = .max, now: Moment) -> Bool {
        guard let lease = leases[id], lease.reader == reader else { return false }
        leases[id]?.end = now.monotonic + min(configuration.leaseDuration, limit)
        return true
    }

    /// Ends a lease of this reader. False when there is none.
    package mutating func release(_ id: LeaseID, by reader: PeerID) -> Bool {
        guard let lease = leases[id], lease.reader == reader else { return false }
        leases[id] = nil
        return true
    }

    /// Ends whatever a vanished reader held.
    package mutating func readerGone(_ reader: PeerID) -> [Lease] {
        reservations[reader] = nil
        return end { $0.reader == reader }
    }

    /// Ends every lease on content that is withdrawn.
    package mutating func withdraw(_ manifest: ManifestID) -> [Lease] { end { $0.manifest == manifest } }

    /// The source leaves: what was lent ends after the grace.
    package mutating func drain(now: Moment) {
        for id in leases.keys { leases[id]?.end = now.monotonic }
    }

    /// Ends leases that were not renewed and whose grace is over.
    package mutating func expire(now: Moment) -> [Lease] {
        dropReservations(now)
        let grace = configuration.grace
        return end { $0.end + grace <= now.monotonic }
    }

    private mutating func end(where hasEnded: (Lease) -> Bool) -> [Lease] {
        let ended = sortedLeases.filter(hasEnded)
        for lease in ended { leases[lease.id] = nil }
        return ended
    }

    private func freeSlots(besides reader: PeerID) -> Int {
        configuration.slots - leases.count - reservations.keys.count { $0 != reader }
    }

    private mutating func dropReservations(_ now: Moment) {
        reservations = reservations.filter { $0.value > now.monotonic }
    }
}
