/// A Lua script of the store. A script is one step for Redis: nobody sees its middle, and the append-only file holds all
/// of it or nothing. The first command that writes in each is one that Redis refuses when memory is short; it refuses no
/// later one.
///
/// Keys that depend on what a script reads are built inside it; they share the hash tag of the keys it is given.
struct StoreScript: Sendable {
    let source: [UInt8]
    let keyCount: Int

    /// Where the SHA-1 that SCRIPT LOAD answers with stands in a list of loaded scripts.
    enum Name: Int, CaseIterable {
        case put
        case remove
        case renew
        case load
        case poolPut
        case poolState
        case poolLoad
    }

    static func named(_ name: Name) -> StoreScript {
        switch name {
        case .put: StoreScript(source: Array((extend + put).utf8), keyCount: 5)
        case .remove: StoreScript(source: Array((extend + remove).utf8), keyCount: 4)
        case .renew: StoreScript(source: Array((extend + renew).utf8), keyCount: 2)
        case .load: StoreScript(source: Array(load.utf8), keyCount: 1)
        case .poolPut: StoreScript(source: Array(poolPut.utf8), keyCount: 4)
        case .poolState: StoreScript(source: Array(poolState.utf8), keyCount: 4)
        case .poolLoad: StoreScript(source: Array(poolLoad.utf8), keyCount: 1)
        }
    }

    /// Lets an index outlive, by this much, the longest-lived record in it (milliseconds).
    static let indexGrace = 1_000
    /// Dead entries of the index that one put sweeps out, so that no put takes long and the index doesn't grow for ever.
    static let sweepLimit = 100
    /// Changes that the stream keeps, about.
    static let changesLimit = 10_000

    /// Lives are extended and never cut, so that several servers commute.
    private static let extend = """
        local function extend(key, life)
          if redis.call('PTTL', key) < life then redis.call('PEXPIRE', key, life) end
        end
        local function now()
          local time = redis.call('TIME')
          return time[1] * 1000 + math.floor(time[2] / 1000)
        end

        """

    /// Compare-and-set of one record. KEYS: record, floor, owner's set, index, changes. ARGV: id, owner, kind, version,
    /// life, floor's life, frame. A life of 0 leaves the floor only. Answers 0 stale, 1 accepted, 2 equal (life extended).
    private static let put = """
        local record, floor, owned, index, changes = unpack(KEYS)
        local id, owner, kind, version, life, floorLife, frame = unpack(ARGV)
        life, floorLife = tonumber(life), tonumber(floorLife)
        local known = redis.call('GET', floor)
        if known then
          local top = string.sub(known, 1, 40)
          if version < top or (version == top and string.sub(known, 41) == 'x') then return 0 end
        end
        local stored = redis.call('HGET', record, 'v')
        if stored and version < stored then return 0 end
        local equal = stored == version
        if not (equal and life <= 0) then
          redis.call('SET', floor, version .. 'l', 'PX', math.max(redis.call('PTTL', floor), life + floorLife))
        end
        if life > 0 then
          if equal then
            extend(record, life)
          else
            redis.call('HSET', record, 'o', owner, 'k', kind, 'v', version, 'f', frame)
            redis.call('PEXPIRE', record, life)
          end
          local indexLife = redis.call('PTTL', record) + \(indexGrace)
          redis.call('SADD', owned, id)
          extend(owned, indexLife)
          redis.call('ZADD', index, now() + indexLife, id)
          extend(index, indexLife)
        elseif not equal then
          redis.call('DEL', record)
          redis.call('SREM', owned, id)
          redis.call('ZREM', index, id)
        end
        local dead = redis.call('ZRANGEBYSCORE', index, '-inf', now(), 'LIMIT', 0, \(sweepLimit))
        if #dead > 0 then redis.call('ZREM', index, unpack(dead)) end
        if equal then return 2 end
        redis.call('XADD', changes, 'MAXLEN', '~', \(changesLimit), '*', 'op', 'put', 'id', id, 'v', version)
        extend(changes, life + floorLife)
        return 1
        """

    /// Removes a record up to a version, and leaves the floor at it. KEYS: record, floor, index, changes. ARGV: id,
    /// version, floor's life, prefix of owners' sets. Answers as put does.
    private static let remove = """
        local record, floor, index, changes = unpack(KEYS)
        local id, version, floorLife, ownedPrefix = unpack(ARGV)
        floorLife = tonumber(floorLife)
        local known = redis.call('GET', floor)
        if known then
          if version < string.sub(known, 1, 40) then return 0 end
          if known == version .. 'x' then return 2 end
        end
        local stored = redis.call('HMGET', record, 'v', 'o')
        if stored[1] and version < stored[1] then return 0 end
        redis.call('SET', floor, version .. 'x', 'PX', math.max(redis.call('PTTL', floor), floorLife))
        if stored[2] then redis.call('SREM', ownedPrefix .. stored[2], id) end
        redis.call('DEL', record)
        redis.call('ZREM', index, id)
        redis.call('XADD', changes, 'MAXLEN', '~', \(changesLimit), '*', 'op', 'remove', 'id', id, 'v', version)
        extend(changes, floorLife)
        return 1
        """

    /// Extends the lives of one peer's records. KEYS: owner's set, index. ARGV: owner, life, floor's life, prefix, then the
    /// records' ids, or none for all of them. Answers how many records there were.
    private static let renew = """
        local owned, index = unpack(KEYS)
        local owner, life, floorLife, prefix = ARGV[1], tonumber(ARGV[2]), tonumber(ARGV[3]), ARGV[4]
        local ids = {}
        for position = 5, #ARGV do ids[#ids + 1] = ARGV[position] end
        if #ids == 0 then ids = redis.call('SMEMBERS', owned) end
        local indexLife, renewed = life + \(indexGrace), 0
        for _, id in ipairs(ids) do
          local record = prefix .. 'r:' .. id
          if redis.call('HGET', record, 'o') == owner then
            extend(record, life)
            extend(prefix .. 'f:' .. id, life + floorLife)
            redis.call('SADD', owned, id)
            redis.call('ZADD', index, now() + redis.call('PTTL', record) + \(indexGrace), id)
            renewed = renewed + 1
          else
            redis.call('SREM', owned, id)
          end
        end
        if renewed > 0 then
          extend(owned, indexLife)
          extend(index, indexLife)
        end
        return renewed
        """

    /// One page of records, whole ones only. KEYS: index. ARGV: cursor, count, prefix of records. Answers the next cursor,
    /// then for each record its id, owner, kind, version, frame and remaining life. Only reads, so a replica can answer.
    private static let load = """
        local page = redis.call('ZSCAN', KEYS[1], ARGV[1], 'COUNT', ARGV[2])
        local rows = { page[1] }
        for position = 1, #page[2], 2 do
          local id = page[2][position]
          local record = ARGV[3] .. id
          local fields = redis.call('HMGET', record, 'o', 'k', 'v', 'f')
          local life = redis.call('PTTL', record)
          if fields[1] and fields[2] and fields[3] and fields[4] and life > 0 then
            rows[#rows + 1] = { id, fields[1], fields[2], fields[3], fields[4], life }
          end
        end
        return rows
        """
}
