import Records

/// One call of a script.
struct ScriptCall {
    let script: StoreScript.Name
    let keys: [[UInt8]]
    let arguments: [[UInt8]]
}

/// A connection on which the store's scripts are loaded. Confined to the store's thread, as the connection is.
final class StoreSession {
    /// How long the key that `probe` writes may live, in milliseconds.
    private static let probeLife = 60_000

    let connection: RedisConnection
    private let keys: StoreKeys
    private let probeKey: [UInt8]
    let endpoint: String
    /// The SHA-1 of each script, by `StoreScript.Name`.
    private var hashes: [[UInt8]] = []

    /// Connects and loads the scripts, which a server that is still starting refuses.
    ///
    /// - Parameter owner: distinguishes this store from others on the same Redis.
    init(_ url: RedisURL, keys: StoreKeys, owner: UInt64 = 0) throws(RedisError) {
        connection = try RedisConnection(url)
        endpoint = "\(url.endpoint)"
        self.keys = keys
        probeKey = keys.probe + Array(String(owner, radix: 16).utf8)
        for name in StoreScript.Name.allCases {
            let reply = try connection.command(
                [Array("SCRIPT".utf8), Array("LOAD".utf8), StoreScript.named(name).source])
            guard case .bytes(let hash) = reply else { throw unexpected("SCRIPT LOAD") }
            hashes.append(hash)
        }
    }

    /// Writes a key that nobody reads, to learn whether this server takes writes at all: with its memory full, or as a
    /// replica, it would refuse.
    func probe() throws(RedisError) {
        let words = ["SET".utf8, "".utf8, "1".utf8, "PX".utf8, String(Self.probeLife).utf8].map(Array.init)
        guard case .status = try connection.command([words[0], probeKey] + words[2...]) else {
            throw unexpected("SET")
        }
    }

    /// Writes it again where it is still there: whether Redis lives, takes writes, and has kept what it held. False when it has lost
    /// that under a connection that stands (FLUSHALL, a copy that was restored).
    func probeAgain() throws(RedisError) -> Bool {
        let words = ["SET".utf8, "1".utf8, "PX".utf8, String(Self.probeLife).utf8, "XX".utf8].map(Array.init)
        switch try connection.command([words[0], probeKey] + words[1...]) {
        case .status: return true
        case .null: return false
        default: throw unexpected("SET")
        }
    }

    /// Runs scripts in order and returns a reply, which may be an error, for each. A script that the server has forgotten
    /// (restarted, failed over, SCRIPT FLUSH) is sent again in full.
    func evaluate(_ calls: [ScriptCall]) throws(RedisError) -> [RedisReply] {
        var replies = try connection.pipeline(
            calls.map { command(Array("EVALSHA".utf8), hashes[$0.script.rawValue], $0) })
        for (index, reply) in replies.enumerated() {
            guard case .error(let refusal) = reply, refusal.code == "NOSCRIPT" else { continue }
            let source = StoreScript.named(calls[index].script).source
            replies[index] = try connection.pipeline([command(Array("EVAL".utf8), source, calls[index])])[0]
        }
        return replies
    }

    /// Reads every whole record that has not expired, page by page.
    func load(limits: SnapshotStoreLimits) throws(RedisError) -> LoadedRecords {
        var loaded = LoadedRecords()
        var cursor = Array("0".utf8)
        var pages = 0
        repeat {
            let arguments = [cursor, Array(String(limits.loadPage).utf8), keys.record([])]
            let reply = try evaluate([ScriptCall(script: .load, keys: [keys.index], arguments: arguments)])[0]
            if case .error(let refusal) = reply { throw .refused(refusal) }
            guard case .array(let rows) = reply, case .bytes(let next)? = rows.first else { throw unexpected("load") }
            for row in rows.dropFirst() { loaded.add(row) }
            pages += 1
            try loaded.check(limits, pages: pages)
            cursor = next
        } while cursor != Array("0".utf8)
        return loaded
    }

    private func command(_ verb: [UInt8], _ script: [UInt8], _ call: ScriptCall) -> [[UInt8]] {
        [verb, script, Array(String(call.keys.count).utf8)] + call.keys + call.arguments
    }

    private func unexpected(_ command: String) -> RedisError {
        .protocolViolation(endpoint: endpoint, detail: "an answer to \(command) that can't be")
    }
}
