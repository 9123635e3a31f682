import Records

/// Turns what waits into calls of scripts, with lives as they are at the moment of sending.
struct StoreCalls: Sendable {
    let keys: StoreKeys
    /// Milliseconds that a floor outlives its record.
    let floorLife: UInt64
    let longestLife: UInt64

    func call(for write: PendingWrite, now: UInt64) -> ScriptCall {
        let id = Hex.encode(write.recordID.bytes)
        let version = VersionText.encode(write.version)
        switch write.change {
        case .put(let record, let deadline):
            let owner = Hex.encode(record.owner.bytes)
            return ScriptCall(
                script: .put,
                keys: [keys.record(id), keys.floor(id), keys.owned(owner), keys.index, keys.changes],
                arguments: [
                    id, owner, number(UInt64(record.kind)), version, number(life(until: deadline, now: now)),
                    number(boundedFloorLife), record.frame,
                ])
        case .remove:
            return ScriptCall(
                script: .remove,
                keys: [keys.record(id), keys.floor(id), keys.index, keys.changes],
                arguments: [id, version, number(boundedFloorLife), keys.owned([])])
        }
    }

    /// Nil when nothing would be renewed: its time has passed, or it names no record.
    func call(for renewal: PendingRenewal, now: UInt64) -> ScriptCall? {
        let life = life(until: renewal.deadline, now: now)
        guard life > 0, renewal.records?.isEmpty != true else { return nil }
        let owner = Hex.encode(renewal.owner.bytes)
        let ids = (renewal.records ?? []).map { Hex.encode($0.bytes) }
        return ScriptCall(
            script: .renew,
            keys: [keys.owned(owner), keys.index],
            arguments: [owner, number(life), number(boundedFloorLife), keys.prefix] + ids)
    }

    /// Not 0, which Redis refuses as an expiry.
    private var boundedFloorLife: UInt64 { min(max(floorLife, 1), longestLife) }

    private func life(until deadline: UInt64, now: UInt64) -> UInt64 {
        deadline > now ? min((deadline - now) / 1_000_000, longestLife) : 0
    }

    private func number(_ value: UInt64) -> [UInt8] { Array(String(value).utf8) }
}
