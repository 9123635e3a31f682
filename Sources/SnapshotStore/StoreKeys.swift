import Records

/// The names of the store's keys in Redis, all below `modelexpress:{CLUSTER}:v1:`. The braces make Redis Cluster keep all
/// of them in one slot, which scripts over several keys need.
///
/// | key | type | holds |
/// |---|---|---|
/// | `r:RECORD` | hash | a record: `o` owner, `k` kind, `v` version, `f` frame |
/// | `f:RECORD` | string | its floor: the highest version seen, then `l` (live) or `x` (removed); outlives the record |
/// | `o:OWNER` | set | the records of one peer |
/// | `index` | sorted set | all records, by the time they expire at, in milliseconds since 1970 |
/// | `changes` | stream | the latest changes: `op` put or remove, `id`, `v` |
/// | `probe` | string | nothing; written to learn whether writes are taken |
struct StoreKeys: Sendable {
    let prefix: [UInt8]
    let index: [UInt8]
    let changes: [UInt8]
    let probe: [UInt8]

    init(cluster: ClusterID) {
        prefix = Array("modelexpress:{".utf8) + Hex.encode(cluster.bytes) + Array("}:v1:".utf8)
        index = prefix + Array("index".utf8)
        changes = prefix + Array("changes".utf8)
        probe = prefix + Array("probe".utf8)
    }

    func record(_ id: [UInt8]) -> [UInt8] { prefix + Array("r:".utf8) + id }
    func floor(_ id: [UInt8]) -> [UInt8] { prefix + Array("f:".utf8) + id }
    func owned(_ owner: [UInt8]) -> [UInt8] { prefix + Array("o:".utf8) + owner }
}
