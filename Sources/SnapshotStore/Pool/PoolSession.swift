import EventThread
import Records

/// The pool's commands over one connection. Confined to the store's thread.
struct PoolSession {
    /// Where in the stream of changes its reader stands.
    struct Position: Equatable {
        /// The stream's own name of the last change.
        var entry = Array("0-0".utf8)
        /// Its number; 0 before the first.
        var number: UInt64 = 0
    }

    /// What others changed since a position.
    struct Changes {
        var position: Position
        var rows: [PoolRow] = []
        /// Changes are missing in between: only reading everything helps.
        var hasGap = false
        /// There are more than one page holds.
        var isMore = false
    }

    let session: StoreSession
    let keys: StoreKeys
    let limits: PoolStoreLimits
    /// Tells this store's own changes from others'.
    let writer: [UInt8]

    // MARK: Writing

    /// One reply for each row, which may be an error. A row whose time is over is not sent.
    func write(_ waiting: [PoolQueue.Waiting]) throws(RedisError) -> [RedisReply] {
        let now = MonotonicClock.now()
        return try session.evaluate(waiting.map { call(for: $0, now) })
    }

    private func call(for waiting: PoolQueue.Waiting, _ now: UInt64) -> ScriptCall {
        let row = waiting.row
        // At least 1, as Redis refuses an expiry of nothing; the row is gone right after.
        let remaining = waiting.deadline > now ? max((waiting.deadline - now) / 1_000_000, 1) : 1
        let life = number(max(row.life, 1))
        let names = [keys.poolRow(row.id), keys.poolIndex, keys.poolChanges, keys.poolSequence]
        let kept = number(UInt64(limits.keptChanges))
        guard let body = row.body else {
            return ScriptCall(
                script: .poolState, keys: names,
                arguments: [row.id, Self.version(row.version), row.state, life, number(remaining), kept, writer])
        }
        return ScriptCall(
            script: .poolPut, keys: names,
            arguments: [
                row.id, Self.version(row.version), row.owner, row.state, life, number(remaining), kept, writer, body,
            ])
    }

    // MARK: Reading

    /// Where the stream ends now.
    func end() throws(RedisError) -> Position {
        let reply = try session.connection.command(
            [
                Array("XREVRANGE".utf8), keys.poolChanges, Array("+".utf8), Array("-".utf8), Array("COUNT".utf8),
                Array("1".utf8),
            ])
        guard case .array(let entries) = reply else { throw unexpected("XREVRANGE") }
        guard let last = entries.first else { return Position() }
        guard let (entry, fields) = Self.entry(last), let number = Self.number(fields["n"]) else {
            throw unexpected("XREVRANGE")
        }
        return Position(entry: entry, number: number)
    }

    /// All rows that have not expired, page by page, with their bodies. `take` gets them as they come.
    func load(_ take: ([PoolRow]) -> Void) throws(RedisError) {
        var cursor = Array("0".utf8)
        repeat {
            let arguments = [cursor, number(UInt64(limits.loadPage)), keys.poolRow([])]
            let reply = try session.evaluate([
                ScriptCall(script: .poolLoad, keys: [keys.poolIndex], arguments: arguments)
            ])[0]
            if case .error(let refusal) = reply { throw .refused(refusal) }
            guard case .array(let rows) = reply, case .bytes(let next)? = rows.first else {
                throw unexpected("poolLoad")
            }
            take(try withBodies(rows.dropFirst().compactMap(Self.listed)))
            cursor = next
        } while cursor != Array("0".utf8)
    }

    /// What others changed, one page at most.
    func changes(after position: Position) throws(RedisError) -> Changes {
        let reply = try session.connection.command(
            [Array("XREAD".utf8), Array("COUNT".utf8), number(UInt64(limits.followPage)), Array("STREAMS".utf8)]
                + [keys.poolChanges, position.entry])
        var changes = Changes(position: position)
        guard case .array(let streams) = reply, case .array(let stream)? = streams.first, stream.count == 2,
            case .array(let entries) = stream[1]
        else {
            guard case .null = reply else { throw unexpected("XREAD") }
            return changes
        }
        changes.isMore = entries.count >= limits.followPage
        var whole: [[UInt8]] = []
        for item in entries {
            guard let (entry, fields) = Self.entry(item), let number = Self.number(fields["n"]), let id = fields["id"]
            else { throw unexpected("XREAD") }
            if number != changes.position.number &+ 1 { changes.hasGap = true }
            changes.position = Position(entry: entry, number: number)
            guard fields["w"] != writer else { continue }
            if let row = Self.state(id, fields) { changes.rows.append(row) } else { whole.append(id) }
        }
        // Whole rows first: a state that came after may be of one of them, and counts only where it is newer.
        changes.rows = try read(whole) + changes.rows
        return changes
    }

    /// Rows with their bodies; those that are gone again are left out.
    private func read(_ ids: [[UInt8]]) throws(RedisError) -> [PoolRow] {
        guard !ids.isEmpty else { return [] }
        var heads: [(row: PoolRow, bodyLength: Int)] = []
        for id in Set(ids) {
            let name = keys.poolRow(id)
            let fields = ["v", "o", "s", "l"].map { Array($0.utf8) }
            let replies = try session.connection.pipeline([
                [Array("HMGET".utf8), name] + fields, [Array("PTTL".utf8), name],
                [Array("HSTRLEN".utf8), name, Array("b".utf8)],
            ])
            guard case .array(let values) = replies[0] else { throw unexpected("HMGET") }
            if let head = Self.listed(.array([.bytes(id)] + values + replies[1...])) { heads.append(head) }
        }
        return try withBodies(heads)
    }

    private func withBodies(_ heads: [(row: PoolRow, bodyLength: Int)]) throws(RedisError) -> [PoolRow] {
        var rows: [PoolRow] = []
        var start = 0
        while start < heads.count {
            var (end, size) = (start, 0)
            while end < heads.count, end == start || size + heads[end].bodyLength <= limits.bodyBytes {
                size += heads[end].bodyLength
                end += 1
            }
            let bodies = try session.connection.pipeline(
                heads[start..<end].map { [Array("HGET".utf8), keys.poolRow($0.row.id), Array("b".utf8)] })
            for (head, body) in zip(heads[start..<end], bodies) {
                guard case .bytes(let bytes) = body else { continue }
                var row = head.row
                row.body = bytes
                rows.append(row)
            }
            start = end
        }
        return rows
    }

    // MARK: Replies

    private static func listed(_ reply: RedisReply) -> (row: PoolRow, bodyLength: Int)? {
        guard case .array(let fields) = reply, fields.count == 7, case .bytes(let id) = fields[0],
            case .bytes(let version) = fields[1], case .bytes(let owner) = fields[2],
            case .bytes(let state) = fields[3], case .bytes(let life) = fields[4],
            case .integer(let left) = fields[5], case .integer(let length) = fields[6],
            let version = number(version), let life = number(life), let left = UInt64(exactly: left)
        else { return nil }
        let row = PoolRow(
            id: id, version: version, owner: owner, state: state, body: nil, life: life, remainingLife: left)
        return (row, Int(length))
    }

    private static func state(_ id: [UInt8], _ fields: [String: [UInt8]]) -> PoolRow? {
        guard let state = fields["s"], let version = number(fields["v"]), let life = number(fields["l"]) else {
            return nil
        }
        return PoolRow(
            id: id, version: version, owner: [], state: state, body: nil, life: life, remainingLife: life)
    }

    private static func entry(_ reply: RedisReply) -> (entry: [UInt8], fields: [String: [UInt8]])? {
        guard case .array(let parts) = reply, parts.count == 2, case .bytes(let entry) = parts[0],
            case .array(let list) = parts[1]
        else { return nil }
        var fields: [String: [UInt8]] = [:]
        for index in stride(from: 0, to: list.count - 1, by: 2) {
            guard case .bytes(let name) = list[index], case .bytes(let value) = list[index + 1] else { return nil }
            fields[String(decoding: name, as: UTF8.self)] = value
        }
        return (entry, fields)
    }

    /// As Lua compares it: padded, since its numbers are doubles.
    private static func version(_ version: UInt64) -> [UInt8] {
        let text = Array(String(version).utf8)
        return Array(repeating: UInt8(ascii: "0"), count: VersionText.digits - text.count) + text
    }

    private static func number(_ text: [UInt8]?) -> UInt64? {
        text.flatMap { UInt64(String(decoding: $0, as: UTF8.self)) }
    }

    private func number(_ value: UInt64) -> [UInt8] { Array(String(value).utf8) }

    private func unexpected(_ command: String) -> RedisError {
        .protocolViolation(endpoint: session.endpoint, detail: "an answer to \(command) that can't be")
    }
}
