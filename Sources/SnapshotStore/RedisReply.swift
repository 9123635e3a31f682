import CHiredis

/// A reply, copied out of hiredis's memory.
enum RedisReply: Equatable {
    case bytes([UInt8])
    case status(String)
    case integer(Int64)
    case null
    case array([RedisReply])
    case error(RedisRefusal)

    /// The deepest nesting that is taken; hiredis stops at about the same.
    static let deepest = 8

    /// Copies a reply. Nil for one that no Redis sends to this program.
    init?(_ reply: UnsafePointer<redisReply>, depth: Int = 0) {
        let value = reply.pointee
        switch value.type {
        case REDIS_REPLY_STRING: self = .bytes(Self.text(of: value))
        case REDIS_REPLY_STATUS: self = .status(String(decoding: Self.text(of: value), as: UTF8.self))
        case REDIS_REPLY_ERROR:
            self = .error(RedisRefusal(reply: String(decoding: Self.text(of: value), as: UTF8.self)))
        case REDIS_REPLY_INTEGER: self = .integer(value.integer)
        case REDIS_REPLY_NIL: self = .null
        case REDIS_REPLY_ARRAY:
            guard depth < Self.deepest, let elements = Self.elements(of: value, depth: depth) else { return nil }
            self = .array(elements)
        default: return nil
        }
    }

    private static func text(of reply: redisReply) -> [UInt8] {
        guard let start = reply.str else { return [] }
        return Array(UnsafeRawBufferPointer(start: start, count: reply.len))
    }

    private static func elements(of reply: redisReply, depth: Int) -> [RedisReply]? {
        var elements: [RedisReply] = []
        elements.reserveCapacity(reply.elements)
        for index in 0..<reply.elements {
            guard let pointer = reply.element?[index], let element = RedisReply(pointer, depth: depth + 1) else {
                return nil
            }
            elements.append(element)
        }
        return elements
    }
}
