import Records

// What both sides of a verbs lane say of their queue pairs, see RDMAMessages.

/// One side of a queue pair.
struct VerbsEnd: Hashable, Sendable {
    let kind: VerbsAddress.Kind
    /// As libibverbs counts it.
    let mtu: UInt8
    /// Reads that it answers, or has in flight, at once.
    let depth: UInt8
    let lid: UInt16
    /// 16 bytes.
    let address: [UInt8]
    /// 24 bits.
    let queuePair: UInt32
    /// The number of its first packet, 24 bits that nobody can foresee.
    let sequence: UInt32
}

extension VerbsEnd: WireCodable {
    func encode(to writer: inout WireWriter) {
        writer.write(kind.rawValue)
        writer.write(mtu)
        writer.write(depth)
        writer.write(lid)
        writer.append(raw: address)
        writer.write(queuePair)
        writer.write(sequence)
    }

    init(from reader: inout WireReader) throws(WireError) {
        let raw = try reader.read(UInt8.self, "kind of address")
        guard let kind = VerbsAddress.Kind(rawValue: raw) else {
            throw .unknownValue(field: "kind of address", value: UInt64(raw))
        }
        self.kind = kind
        mtu = try reader.read("path MTU")
        guard (1...5).contains(mtu) else { throw .unknownValue(field: "path MTU", value: UInt64(mtu)) }
        depth = try reader.read("reads at once")
        guard depth > 0 else { throw .malformed(field: "reads at once") }
        lid = try reader.read("LID")
        address = Array(try reader.readRaw(16, "address"))
        queuePair = try Self.read24(&reader, "queue pair")
        sequence = try Self.read24(&reader, "packet sequence number")
    }

    private static func read24(_ reader: inout WireReader, _ field: String) throws(WireError) -> UInt32 {
        let value = try reader.read(UInt32.self, field)
        guard value < 1 << 24 else { throw .tooLarge(field: field, value: UInt64(value), limit: 1 << 24 - 1) }
        return value
    }
}

/// The reader's queue pairs, one for each of its ports.
struct VerbsRequest: Hashable, WireCodable {
    let ends: [VerbsEnd]

    init(ends: [VerbsEnd]) { self.ends = ends }

    func encode(to writer: inout WireWriter) { writer.write(ends) { $1.encode(to: &$0) } }

    init(from reader: inout WireReader) throws(WireError) {
        ends = try reader.readArray("queue pairs", limit: LaneLimits.rdmaPorts) {
            (reader) throws(WireError) in try VerbsEnd(from: &reader)
        }
    }
}

/// The source's queue pairs, each connected to one of the reader's.
struct VerbsAnswer: Hashable, WireCodable {
    struct Rail: Hashable {
        /// Which of the reader's ends.
        let reader: Int
        let end: VerbsEnd
        /// Opens the content to this queue pair, from address 0 on.
        let key: UInt32
    }

    let rails: [Rail]
    /// Of the arena that is read, bytes; see ArenaLayout.
    let alignment: UInt32
    /// Why there are no rails.
    let reason: String

    init(rails: [Rail], alignment: UInt32) {
        self.rails = rails
        self.alignment = alignment
        reason = ""
    }

    init(declining reason: String) {
        rails = []
        alignment = 0
        self.reason = RDMAMessages.bounded(reason)
    }

    func encode(to writer: inout WireWriter) {
        writer.write(rails) {
            $0.write(UInt8($1.reader))
            $1.end.encode(to: &$0)
            $0.write($1.key)
        }
        writer.write(alignment)
        writer.write(reason)
    }

    init(from reader: inout WireReader) throws(WireError) {
        rails = try reader.readArray("queue pairs", limit: LaneLimits.rdmaPorts) {
            (reader) throws(WireError) in
            Rail(
                reader: Int(try reader.read(UInt8.self, "reader's queue pair")), end: try VerbsEnd(from: &reader),
                key: try reader.read("memory key"))
        }
        guard Set(rails.map(\.reader)).count == rails.count else { throw .malformed(field: "reader's queue pair") }
        alignment = try reader.read("arena alignment")
        reason = try reader.readString("reason", limit: LaneLimits.rdmaReason)
    }
}
