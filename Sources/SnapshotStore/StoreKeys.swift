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
/// | `p:ROW` | hash | a row of the public API's pool: `b` body, `o` owner, `s` state, `v` version, `l` life |
/// | `pool-index` | sorted set | all its rows, as `index` |
/// | `pool-changes` | stream | its latest changes: `n` number, `id`, `w` writer; of a state alone `v`, `s` and `l`, too |
/// | `pool-sequence` | string | the number of its last change, so that who follows them notices a gap |
/// | `probe:STORE` | string | nothing; written to learn whether writes are taken, and whether what was written is still there |
struct StoreKeys: Sendable {
    let prefix: [UInt8]
    let index: [UInt8]
    let changes: [UInt8]
    let probe: [UInt8]
    let poolIndex: [UInt8]
    let poolChanges: [UInt8]
    let poolSequence: [UInt8]

    init(cluster: ClusterID) {
        prefix = Array("modelexpress:{".utf8) + Hex.encode(cluster.bytes) + Array("}:v1:".utf8)
        index = prefix + Array("index".utf8)
        changes = prefix + Array("changes".utf8)
        probe = prefix + Array("probe:".utf8)
        poolIndex = prefix + Array("pool-index".utf8)
        poolChanges = prefix + Array("pool-changes".utf8)
        poolSequence = prefix + Array("pool-sequence".utf8)
    }

    func record(_ id: [UInt8]) -> [UInt8] { prefix + Array("r:".utf8) + id }
    func floor(_ id: [UInt8]) -> [UInt8] { prefix + Array("f:".utf8) + id }
    func owned(_ owner: [UInt8]) -> [UInt8] { prefix + Array("o:".utf8) + owner }
    func poolRow(_ id: [UInt8]) -> [UInt8] { prefix + Array("p:".utf8) + id }
}
