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
    case sizes = "messages keep to their bounds"
    case progress = "a tick moves the next deadline on"
    case joining = "everybody who starts gets in"
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
    /// Peers whose every change is watched. In larger meshes it is every so-manieth, since memory grows with the square.
    private static let watchedPeers = 2_048

    /// What one peer took of another one.
    private struct Memory {
        var record: Version?
        var beacon: Version?
        var validUntil: Int64 = 0
        var hasLeft = false
    }

    private struct AnnouncementKey: Hashable {
        let observer: Int
        let record: RecordID
    }

    private let stride: Int
    private(set) var violations: [Violation] = []
    private(set) var count = 0
    private var kept: [Invariant: Int] = [:]
    /// By observer, then by owner.
    private var memory: [[Memory]] = []
    private var announcements: [AnnouncementKey: Version] = [:]

    init(peers: Int) { stride = (peers + Self.watchedPeers - 1) / Self.watchedPeers }

    mutating func begin() { memory.append([]) }

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
            let key = AnnouncementKey(observer: observer, record: record)
            before = announcements[key]
            announcements[key] = max(before ?? version, version)
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
