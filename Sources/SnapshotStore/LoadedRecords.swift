import Records

/// The rows of `load` as they come in. Redis may list a record twice while its index grows; the newest counts.
struct LoadedRecords {
    private(set) var records: [RecordID: StoredRecord] = [:]
    /// Rows that no store of ours wrote.
    private(set) var malformed = 0
    private var bytes = 0

    /// Adds one row: id, owner, kind, version, frame, remaining life.
    mutating func add(_ row: RedisReply) {
        guard let record = Self.decode(row) else {
            malformed += 1
            return
        }
        if let known = records[record.recordID] {
            guard record.version >= known.version else { return }
            bytes -= known.frame.count
        }
        bytes += record.frame.count
        records[record.recordID] = record
    }

    /// Throws when there is more than a store of ours can have written. A page may be empty, so pages are counted too.
    func check(_ limits: SnapshotStoreLimits, pages: Int) throws(RedisError) {
        guard records.count <= limits.loadedRecords, pages <= limits.loadedRecords else {
            throw .overLimit("Redis holds more than \(limits.loadedRecords) records; is the database shared?")
        }
        guard bytes <= limits.loadedBytes else {
            throw .overLimit("The records in Redis have more than \(limits.loadedBytes) bytes; is the database shared?")
        }
    }

    private static func decode(_ row: RedisReply) -> StoredRecord? {
        guard case .array(let fields) = row, fields.count == 6,
            case .bytes(let id) = fields[0], case .bytes(let owner) = fields[1], case .bytes(let kind) = fields[2],
            case .bytes(let version) = fields[3], case .bytes(let frame) = fields[4],
            case .integer(let life) = fields[5]
        else { return nil }
        guard let recordID = Hex.decode(id).flatMap({ RecordID(bytes: $0) }),
            let owner = Hex.decode(owner).flatMap({ PeerID(bytes: $0) }),
            let kind = UInt8(String(decoding: kind, as: UTF8.self)), let version = VersionText.decode(version),
            let remainingLife = UInt64(exactly: life)
        else { return nil }
        return StoredRecord(
            recordID: recordID, owner: owner, kind: kind, version: version, remainingLife: remainingLife, frame: frame)
    }
}
