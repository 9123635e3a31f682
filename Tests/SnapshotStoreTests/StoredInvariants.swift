import Testing

@testable import SnapshotStore

extension RawRedis {
    /// What is wrong with the data, seen key by key: a record without a field, an expiry, its floor or its index entries.
    func brokenRecords() async throws -> [String] {
        try await onThread { [url] () throws -> [String] in
            let connection = try RedisConnection(url)
            guard case .array(let names) = try connection.command(["KEYS", "*"]) else { return ["no keys"] }
            return try names.flatMap { name throws -> [String] in
                guard case .bytes(let bytes) = name else { return ["a key without a name"] }
                return try Self.problems(of: bytes.text, over: connection)
            }
        }
    }

    private static func problems(of name: String, over connection: RedisConnection) throws -> [String] {
        let prefix = StoreKeys(cluster: Sample.cluster).prefix.text
        // A key may expire while it is looked at, which Redis answers with -2.
        let neverExpires = try connection.command(["PTTL", name]) == .integer(-1)
        var problems = neverExpires ? ["\(name) never expires"] : []
        guard name.hasPrefix(prefix + "r:") else { return problems }
        let id = String(name.dropFirst(prefix.count + 2))
        guard case .array(let fields) = try connection.command(["HMGET", name, "o", "k", "v", "f"]),
            case .bytes(let owner) = fields[0], case .bytes(let version) = fields[2], !fields.contains(.null)
        else { return problems + ["\(name) is half a record"] }
        if try connection.command(["GET", prefix + "f:" + id]) != .bytes(version + Array("l".utf8)) {
            problems.append("\(name) has another floor")
        }
        if try connection.command(["SISMEMBER", prefix + "o:" + owner.text, id]) != .integer(1) {
            problems.append("\(name) is not among its owner's")
        }
        if try connection.command(["ZSCORE", prefix + "index", id]) == .null {
            problems.append("\(name) is not in the index")
        }
        return problems
    }
}
