import Mesh
import Records

/// What every process really signed, as the run itself saw it: what peers believe is compared with this.
struct Truth {
    struct Offered: Hashable {
        let owner: PeerID
        let record: RecordID
        let version: Version
    }

    private struct Ended {
        let version: Version
        let validUntil: Int64
    }

    private struct Process {
        let id: PeerID
        /// The end of the latest thing it signed, milliseconds since 1970.
        var validUntil: Int64 = 0
        var newest: Version?
        var offers: [RecordID: Version] = [:]
        /// Until when an offer held that was replaced or withdrawn.
        var ended: [RecordID: Ended] = [:]
        /// The version of the record that says that it leaves.
        var farewell: Version?
        var farewellAt: UInt64?
        var hasDeparted = false
        var isOver = false
        var isLiar = false
        var isOutside = false
    }

    private(set) var hasLiars = false

    /// How long a farewell is on its way at most, nanoseconds: nobody holds it for others.
    private static let hearing = Duration64.second

    private var processes: [Process] = []
    private var cachedChoosable: [Offered]?

    mutating func begin(_ id: PeerID) { processes.append(Process(id: id)) }

    mutating func depart(_ process: Int) {
        processes[process].hasDeparted = true
        cachedChoosable = nil
    }

    mutating func end(_ process: Int) {
        processes[process].isOver = true
        cachedChoosable = nil
    }

    /// From now on what it offers is nobody's business.
    mutating func lie(_ process: Int) {
        processes[process].isLiar = true
        hasLiars = true
        cachedChoosable = nil
    }

    /// Whether it is to be believed may change, where lies never end.
    mutating func setOutside(_ process: Int, _ isOutside: Bool) {
        processes[process].isOutside = isOutside
        cachedChoosable = nil
    }

    func isLiar(_ process: Int) -> Bool { processes[process].isLiar }

    func isOver(_ process: Int) -> Bool { processes[process].isOver }

    /// A process has signed a record; `announcement` is nil for its own record.
    mutating func signed(
        _ record: RecordID, _ version: Version, validUntil: Int64, announcement: Announcement?, by process: Int
    ) {
        let before = processes[process].validUntil
        processes[process].validUntil = max(before, validUntil)
        processes[process].newest = max(processes[process].newest ?? version, version)
        guard let announcement else { return }
        if let old = processes[process].offers[record] {
            processes[process].ended[record] = Ended(version: old, validUntil: before)
        }
        processes[process].offers[record] = announcement.state == .tombstone ? nil : version
        cachedChoosable = nil
    }

    /// A process has signed that it leaves. It holds this to be no record of its own, and only sends it.
    mutating func signedFarewell(_ version: Version, by process: Int, at time: UInt64) {
        processes[process].farewell = version
        processes[process].farewellAt = time
        processes[process].newest = version
    }

    /// Whether it has just said goodbye. A process that stands still while it is told to leave ends without a word; and who lets go
    /// of another long after its farewell does so since nothing renews it.
    func saysFarewell(_ process: Int, at time: UInt64) -> Bool {
        processes[process].farewellAt.map { time < $0 + Self.hearing } ?? false
    }

    func isFarewell(_ version: Version, of process: Int) -> Bool { processes[process].farewell == version }

    mutating func renewed(until validUntil: Int64, by process: Int) {
        processes[process].validUntil = max(processes[process].validUntil, validUntil)
    }

    /// What living peers offer, in the order in which `Mesh.sources` gives it.
    var choosable: [Offered] {
        mutating get {
            if let cachedChoosable { return cachedChoosable }
            var offered: [Offered] = []
            for process in processes where !process.isOver && !process.hasDeparted {
                guard !process.isLiar, !process.isOutside else { continue }
                for (record, version) in process.offers {
                    offered.append(Offered(owner: process.id, record: record, version: version))
                }
            }
            offered.sort { ($0.owner, $0.record) < ($1.owner, $1.record) }
            cachedChoosable = offered
            return offered
        }
    }

    /// The end of the latest thing that a process signed, milliseconds since 1970.
    func validUntil(of process: Int) -> Int64 { processes[process].validUntil }

    /// The latest moment until which an offer in this version may be held to be true, milliseconds since 1970.
    func validUntil(of record: RecordID, _ version: Version, owner: Int) -> Int64 {
        if let ended = processes[owner].ended[record], version <= ended.version { return ended.validUntil }
        return processes[owner].validUntil
    }

    func hasSigned(_ version: Version, _ process: Int) -> Bool {
        processes[process].newest.map { version <= $0 } ?? false
    }
}
