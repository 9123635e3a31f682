import Records

// What both sides of a UCX lane say, see RDMAMessages. The source's worker learns the reader's address from UCX's own packets.

/// The reader's ports.
struct UCXRequest: Hashable, WireCodable {
    /// Of the lane: counts how often it was opened under the lease. The answer repeats it, so one to an earlier lane is none.
    let generation: UInt64
    let ends: [RDMAPortAddress]

    init(generation: UInt64, ends: [RDMAPortAddress]) {
        self.generation = generation
        self.ends = ends
    }

    func encode(to writer: inout WireWriter) {
        writer.write(generation)
        writer.write(ends) { $1.encode(to: &$0) }
    }

    init(from reader: inout WireReader) throws(WireError) {
        generation = try reader.read("generation")
        ends = try reader.readArray("ports", limit: LaneLimits.rdmaPorts) {
            (reader) throws(WireError) in try RDMAPortAddress(from: &reader)
        }
    }
}

/// The source's workers and memory, each for one of the reader's ports.
struct UCXAnswer: Hashable, WireCodable {
    struct Rail: Hashable {
        /// Which of the reader's ends.
        let reader: Int
        let end: RDMAPortAddress
        /// Of the worker, as UCX packs it.
        let address: [UInt8]
        /// Opens the arena, as UCX packs it. UCX ends it with the registration, not with the lease.
        let key: [UInt8]
        /// Where the arena begins in the source's memory.
        let base: UInt64
    }

    let generation: UInt64
    let rails: [Rail]
    /// Of the arena that is read, bytes; see ArenaLayout.
    let alignment: UInt32
    /// Why there are no rails.
    let reason: String

    init(generation: UInt64, rails: [Rail], alignment: UInt32) {
        self.generation = generation
        self.rails = rails
        self.alignment = alignment
        reason = ""
    }

    init(generation: UInt64, declining reason: String) {
        self.generation = generation
        rails = []
        alignment = 0
        self.reason = RDMAMessages.bounded(reason)
    }

    func encode(to writer: inout WireWriter) {
        writer.write(generation)
        writer.write(rails) {
            $0.write(UInt8($1.reader))
            $1.end.encode(to: &$0)
            $0.write($1.address)
            $0.write($1.key)
            $0.write($1.base)
        }
        writer.write(alignment)
        writer.write(reason)
    }

    init(from reader: inout WireReader) throws(WireError) {
        generation = try reader.read("generation")
        rails = try reader.readArray("workers", limit: LaneLimits.rdmaPorts) {
            (reader) throws(WireError) in
            let rail = Rail(
                reader: Int(try reader.read(UInt8.self, "reader's port")), end: try RDMAPortAddress(from: &reader),
                address: try reader.readBytes("worker address", limit: LaneLimits.ucxAddress),
                key: try reader.readBytes("memory key", limit: LaneLimits.ucxKey),
                base: try reader.read("arena address"))
            // UCX reads both by what they say of themselves.
            guard !rail.address.isEmpty, !rail.key.isEmpty else { throw .malformed(field: "worker address") }
            return rail
        }
        guard Set(rails.map(\.reader)).count == rails.count else { throw .malformed(field: "reader's port") }
        alignment = try reader.read("arena alignment")
        reason = try reader.readString("reason", limit: LaneLimits.rdmaReason)
    }
}
