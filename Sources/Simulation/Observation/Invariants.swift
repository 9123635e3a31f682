import Mesh
import Records

/// What must hold in every run, whatever happens in it.
package enum Invariant: String, Hashable, Sendable, CaseIterable {
    /// No peer would choose an offer after the end that its owner signed.
    case validity = "an ended offer is never chosen"
    /// A peer that took a version of a record never takes an older one.
    case versions = "versions never go down"
    /// Nothing of a peer that left, or whose validity is over, is taken again.
    case resurrection = "what is gone does not come back"
    /// Nothing is taken that its owner didn't sign.
    case authorship = "nobody is believed but the author"
    /// What somebody says after its certificate's end is not taken, and what it had said before is not chosen for longer than that held.
    case certificates = "nobody is believed after its certificate's end"
    /// Who knows of a revocation takes and chooses nothing of the revoked.
    case revocations = "nobody is believed who is known to be revoked"
    /// Who is outside learns nothing of those inside any more.
    case secrecy = "who is not believed is told nothing"
    /// Nobody is punished who neither lies nor is built wrongly.
    case standing = "nobody honest is blocked or quarantined"
    case sizes = "messages keep to their bounds"
    case progress = "a tick moves the next deadline on"
    case joining = "everybody who starts gets in"
    /// Once faults are over, all would choose from exactly what is offered.
    case liveness = "after the last fault all agree in time"
    /// A source lets in no more readers than it has places.
    case slots = "leases keep to the slots"
    /// Who was promised a place gets it.
    case promise = "a reserved place is kept"
    /// What is sent is what the source has.
    case holding = "a chunk comes from a source that has it"
    /// What is complete is what was introduced.
    case content = "nothing with wrong bytes is taken"
    case writers = "one lane at a time writes to a place"
    case window = "reads in flight keep to the lease"
    /// Who can reach a full copy gets it.
    case completion = "every target that can complete does"
}

/// An invariant that didn't hold.
package struct Violation: Hashable, Sendable {
    package let invariant: Invariant
    /// Nanoseconds since the start of the run.
    package let at: UInt64
    package let peer: String
    package let detail: String
}

/// Watches what peers take, and remembers what they took before.
struct Invariants {
    /// Violations of one kind that are kept; further ones are counted.
    private static let keptOfOneKind = 5
    /// Pairs of a peer whose every change is watched and another one. In larger meshes it is every so-manieth peer, since memory
    /// grows with the square.
    private static let watchedPairs = 1 << 22

    /// What one peer took of another one.
    private struct Memory {
        var record: Version?
        var beacon: Version?
        var validUntil: Int64 = 0
        var hasLeft = false
    }

    private let stride: Int
    private(set) var violations: [Violation] = []
    private(set) var count = 0
    private var kept: [Invariant: Int] = [:]
    /// By observer, then by owner.
    private var memory: [[Memory]] = []
    /// By observer.
    private var announcements: [[RecordID: Version]] = []

    init(peers: Int) { stride = (peers * peers + Self.watchedPairs - 1) / Self.watchedPairs }

    mutating func begin() {
        memory.append([])
        announcements.append([:])
    }

    /// One observer begins with what another one took; the two share it until one of them takes more.
    mutating func remember(atOnce observer: Int, as other: Int) {
        guard isWatched(observer) else { return }
        memory[observer] = memory[other]
        announcements[observer] = announcements[other]
    }

    mutating func add(_ invariant: Invariant, at time: UInt64, peer: String, _ detail: String) {
        count += 1
        kept[invariant, default: 0] += 1
        guard kept[invariant, default: 0] <= Self.keptOfOneKind else { return }
        violations.append(Violation(invariant: invariant, at: time, peer: peer, detail: detail))
    }

    func isWatched(_ observer: Int) -> Bool { observer.isMultiple(of: stride) }

    /// A peer took a record of another one; gives what is wrong with that.
    mutating func took(
        _ record: RecordID, _ version: Version, _ purpose: Purpose, validUntil: Int64, of owner: Int, by observer: Int
    ) -> (Invariant, String)? {
        var known = remembered(owner, by: observer)
        defer { memory[observer][owner] = known }
        known.validUntil = max(known.validUntil, validUntil)
        guard !known.hasLeft else { return (.resurrection, "it took a record of a peer after that one's farewell") }
        let before: Version?
        if purpose == .peerRecord {
            before = known.record
            known.record = max(before ?? version, version)
        } else {
            before = announcements[observer][record]
            announcements[observer][record] = max(before ?? version, version)
        }
        guard let before, version < before else { return nil }
        return (.versions, "it took version \(version) of a record after version \(before)")
    }

    mutating func renewed(
        _ version: Version, until validUntil: Int64, of owner: Int, by observer: Int
    ) -> (Invariant, String)? {
        var known = remembered(owner, by: observer)
        defer { memory[observer][owner] = known }
        known.validUntil = max(known.validUntil, validUntil)
        guard !known.hasLeft else { return (.resurrection, "it took a beacon of a peer after that one's farewell") }
        let before = known.beacon
        known.beacon = max(before ?? version, version)
        guard let before, version < before else { return nil }
        return (.versions, "it took beacon \(version) after beacon \(before)")
    }

    /// A peer let go of another one that has departed; `wall` is what the peer's clock shows. Before the end of what it knew
    /// only the farewell can have told it.
    mutating func letGo(of owner: Int, by observer: Int, wall: Int64) {
        var known = remembered(owner, by: observer)
        known.hasLeft = wall < known.validUntil
        memory[observer][owner] = known
    }

    private mutating func remembered(_ owner: Int, by observer: Int) -> Memory {
        let missing = owner + 1 - memory[observer].count
        if missing > 0 { memory[observer].append(contentsOf: repeatElement(Memory(), count: missing)) }
        return memory[observer][owner]
    }
}
