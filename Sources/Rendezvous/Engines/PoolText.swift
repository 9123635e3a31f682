import EnginePool

/// How the pool's entries are written in Redis, beside their bodies.
enum PoolText {
    /// `SOURCE:RANK:WORKER`; the worker's name, which may hold anything, stands last.
    static func id(_ key: PoolKey) -> [UInt8] { Array("\(key.source):\(key.rank):\(key.worker)".utf8) }

    static func key(_ id: [UInt8]) -> PoolKey? {
        let parts = id.split(separator: UInt8(ascii: ":"), maxSplits: 2, omittingEmptySubsequences: false)
        guard parts.count == 3, let rank = UInt32(String(decoding: parts[1], as: UTF8.self)),
            let worker = String(validating: parts[2], as: UTF8.self), !worker.isEmpty
        else { return nil }
        return PoolKey(source: String(decoding: parts[0], as: UTF8.self), worker: worker, rank: rank)
    }

    /// `STATUS UPDATED-AT LOAD`, the load as the bits of a 32-bit number, or `-`.
    static func state(_ state: PoolState) -> [UInt8] {
        let load = state.load.map { String($0.bitPattern) } ?? "-"
        return Array("\(state.status) \(state.updatedAt) \(load)".utf8)
    }

    static func state(_ text: [UInt8], version: UInt64) -> PoolState? {
        let words = String(decoding: text, as: UTF8.self).split(separator: " ")
        guard words.count == 3, let status = Int(words[0]), let updatedAt = Int64(words[1]) else { return nil }
        let load = UInt32(words[2]).map { Float(bitPattern: $0) }
        guard load != nil || words[2] == "-" else { return nil }
        return PoolState(status: status, updatedAt: updatedAt, load: load, version: version)
    }
}
