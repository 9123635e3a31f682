/// The scripts of the public API's pool. As with those of records, each is one step, and its first command that writes is one that
/// Redis refuses when memory is short.
extension StoreScript {
    private static let poolHelp = """
        local function now()
          local time = redis.call('TIME')
          return time[1] * 1000 + math.floor(time[2] / 1000)
        end
        local function keep(record, index, id, life)
          redis.call('PEXPIRE', record, life)
          redis.call('ZADD', index, now() + life + \(indexGrace), id)
          if redis.call('PTTL', index) < life + \(indexGrace) then redis.call('PEXPIRE', index, life + \(indexGrace)) end
          local dead = redis.call('ZRANGEBYSCORE', index, '-inf', now(), 'LIMIT', 0, \(sweepLimit))
          if #dead > 0 then redis.call('ZREM', index, unpack(dead)) end
        end
        local function tell(changes, sequence, kept, life, ...)
          local number = redis.call('INCR', sequence)
          redis.call('XADD', changes, 'MAXLEN', '~', kept, '*', 'n', number, ...)
          for _, key in ipairs({ changes, sequence }) do
            if redis.call('PTTL', key) < life then redis.call('PEXPIRE', key, life) end
          end
        end

        """

    /// Writes a row whole unless a newer version of it is there. KEYS: row, index, changes, sequence. ARGV: id, version, owner,
    /// state, life, remaining life, changes kept, writer, body. Answers 1 accepted, 2 equal, 0 stale.
    static let poolPut =
        poolHelp + """
            local record, index, changes, sequence = unpack(KEYS)
            local id, version, owner, state, life, remaining, kept, writer, body = unpack(ARGV)
            life, remaining = tonumber(life), tonumber(remaining)
            local stored = redis.call('HGET', record, 'v')
            if stored and version < stored then return 0 end
            if stored == version then
              if redis.call('PTTL', record) < remaining then keep(record, index, id, remaining) end
              return 2
            end
            redis.call('HSET', record, 'v', version, 'o', owner, 's', state, 'l', life, 'b', body)
            keep(record, index, id, remaining)
            tell(changes, sequence, kept, life, 'id', id, 'w', writer)
            return 1
            """

    /// Writes a row's state. KEYS as above. ARGV: id, version, state, life, remaining life, changes kept, writer. Answers as above,
    /// and -1 where there is no such row.
    static let poolState =
        poolHelp + """
            local record, index, changes, sequence = unpack(KEYS)
            local id, version, state, life, remaining, kept, writer = unpack(ARGV)
            life, remaining = tonumber(life), tonumber(remaining)
            local stored = redis.call('HGET', record, 'v')
            if not stored then return -1 end
            if version < stored then return 0 end
            if version == stored then return 2 end
            redis.call('HSET', record, 'v', version, 's', state, 'l', life)
            keep(record, index, id, remaining)
            tell(changes, sequence, kept, life, 'id', id, 'w', writer, 'v', version, 's', state, 'l', life)
            return 1
            """

    /// One page of rows without their bodies. KEYS: index. ARGV: cursor, count, prefix of rows. Answers the next cursor, then for
    /// each row its id, version, owner, state, life, remaining life and the length of its body. Only reads.
    static let poolLoad = """
        local page = redis.call('ZSCAN', KEYS[1], ARGV[1], 'COUNT', ARGV[2])
        local rows = { page[1] }
        for position = 1, #page[2], 2 do
          local id = page[2][position]
          local record = ARGV[3] .. id
          local fields = redis.call('HMGET', record, 'v', 'o', 's', 'l')
          local left = redis.call('PTTL', record)
          if fields[1] and fields[2] and fields[3] and fields[4] and left > 0 then
            rows[#rows + 1] = {
              id, fields[1], fields[2], fields[3], fields[4], left, redis.call('HSTRLEN', record, 'b')
            }
          end
        end
        return rows
        """
}
