import CHiredis
import CLinux
import EventThread
import Glibc

/// One connection to Redis, logged in and with its database selected. Blocking, for one thread that we own; the thread
/// must have SIGPIPE blocked, since hiredis writes to sockets that the other side may have closed.
///
/// After any thrown error but `.refused` the connection is of no more use.
final class RedisConnection {
    /// Until a connection stands, in milliseconds, for each address a name has. (Looking a name up takes what the
    /// system's resolver takes.)
    static let connectTimeout = 2_000
    /// Until the replies to one command or one pipeline are there, in milliseconds.
    static let commandTimeout = 2_000
    /// The most bytes that the replies to one pipeline may have.
    static let longestReply = 128 << 20
    /// What one call of hiredis reads at most, in bytes.
    private static let readSize = 16 << 10

    private let context: UnsafeMutablePointer<redisContext>
    private let bounds: BoundedReplies
    private let endpoint: String

    /// The socket, to be polled while no reply is due: readable then means that the other side is gone, or mad.
    var descriptor: Int32 { context.pointee.fd }

    /// Connects, logs in and selects the database.
    init(_ url: RedisURL) throws(RedisError) {
        endpoint = "\(url.endpoint)"
        let context = try Self.connect(to: url)
        guard let reader = context.pointee.reader, let bounds = BoundedReplies(reader: reader) else {
            redisFree(context)
            throw .unreachable(endpoint: endpoint, cause: "hiredis made no reader")
        }
        self.context = context
        self.bounds = bounds
        if let password = url.password {
            let account = url.user.map { [$0, password.secret] } ?? [password.secret]
            try expectOK(["AUTH"] + account, hiding: password.secret)
        }
        if url.database != 0 { try expectOK(["SELECT", String(url.database)]) }
    }

    deinit {
        redisFree(context)
        bounds.free()
    }

    /// Sends one command; an error reply is thrown as `.refused`.
    func command(_ arguments: [[UInt8]]) throws(RedisError) -> RedisReply {
        let replies = try pipeline([arguments])
        if case .error(let refusal) = replies[0] { throw .refused(refusal) }
        return replies[0]
    }

    func command(_ arguments: [String]) throws(RedisError) -> RedisReply {
        try command(arguments.map { Array($0.utf8) })
    }

    /// Sends several commands at once and returns as many replies, error replies among them.
    func pipeline(_ commands: [[[UInt8]]]) throws(RedisError) -> [RedisReply] {
        let deadline = MonotonicClock.now() + UInt64(Self.commandTimeout) * 1_000_000
        for command in commands { try append(command) }
        try flush(until: deadline)
        var replies: [RedisReply] = []
        replies.reserveCapacity(commands.count)
        var readsLeft = Self.longestReply / Self.readSize
        while replies.count < commands.count {
            replies.append(try nextReply(until: deadline, readsLeft: &readsLeft))
        }
        guard let reader = context.pointee.reader, reader.pointee.pos == reader.pointee.len else {
            // Later replies would be taken for those of other commands.
            throw .protocolViolation(endpoint: endpoint, detail: "more replies than commands")
        }
        return replies
    }

    /// `secret` is kept out of the error, as old servers repeat the arguments of commands they don't know.
    private func expectOK(_ arguments: [String], hiding secret: String? = nil) throws(RedisError) {
        let reply = try pipeline([arguments.map { Array($0.utf8) }])[0]
        switch reply {
        case .status: return
        case .error(let refusal):
            if let secret, refusal.text.contains(secret) || refusal.text.contains("unknown command") {
                throw .refused(
                    RedisRefusal(reply: "\(refusal.code) for \(arguments[0]) (its text may hold the password)"))
            }
            throw .refused(refusal)
        default: throw .protocolViolation(endpoint: endpoint, detail: "\(arguments[0]) was not answered with OK")
        }
    }

    /// Why the socket is readable although no reply is due.
    func explainReadable() -> RedisError {
        var byte: UInt8 = 0
        let count = recv(descriptor, &byte, 1, Int32(MSG_PEEK) | Int32(MSG_DONTWAIT))
        if count > 0 { return .protocolViolation(endpoint: endpoint, detail: "it speaks without being asked") }
        return .unreachable(endpoint: endpoint, cause: "it closed the connection")
    }

    // MARK: hiredis

    private static func connect(to url: RedisURL) throws(RedisError) -> UnsafeMutablePointer<redisContext> {
        let timeout = timeval(tv_sec: connectTimeout / 1_000, tv_usec: connectTimeout % 1_000 * 1_000)
        let made =
            switch url.endpoint {
            case .tcp(let host, let port): redisConnectWithTimeout(host, Int32(port), timeout)
            case .unixSocket(let path): redisConnectUnixWithTimeout(path, timeout)
            }
        guard let context = made else { throw .unreachable(endpoint: "\(url.endpoint)", cause: "out of memory") }
        guard context.pointee.err == 0 else {
            let isTimeout = context.pointee.err == REDIS_ERR_IO && mx_errno() == ETIMEDOUT
            let cause = errorText(of: context)
            redisFree(context)
            if isTimeout { throw .timedOut(endpoint: "\(url.endpoint)", action: "connecting") }
            throw .unreachable(endpoint: "\(url.endpoint)", cause: cause)
        }
        let limit = timeval(tv_sec: commandTimeout / 1_000, tv_usec: commandTimeout % 1_000 * 1_000)
        redisSetTimeout(context, limit)
        return context
    }

    private func append(_ arguments: [[UInt8]]) throws(RedisError) {
        let lengths = arguments.map(\.count)
        // One block keeps all arguments alive and in place for the call.
        var bytes: [UInt8] = []
        bytes.reserveCapacity(lengths.reduce(0, +))
        for argument in arguments { bytes.append(contentsOf: argument) }
        let result = bytes.withUnsafeBytes { block in
            var offset = 0
            var pointers: [UnsafePointer<CChar>?] = []
            for length in lengths {
                // An array without elements may have no address, and hiredis copies nothing for a length of 0.
                pointers.append(block.baseAddress.map { ($0 + offset).assumingMemoryBound(to: CChar.self) })
                offset += length
            }
            return redisAppendCommandArgv(context, Int32(arguments.count), &pointers, lengths)
        }
        guard result == REDIS_OK else { throw failure("formatting a command") }
    }

    private func flush(until deadline: UInt64) throws(RedisError) {
        var done: Int32 = 0
        while done == 0 {
            guard MonotonicClock.now() < deadline else { throw .timedOut(endpoint: endpoint, action: "sending") }
            guard redisBufferWrite(context, &done) == REDIS_OK else { throw failure("sending") }
        }
    }

    /// The socket's own time-out holds for one read; this one holds for the whole reply, however slowly it drips.
    private func nextReply(until deadline: UInt64, readsLeft: inout Int) throws(RedisError) -> RedisReply {
        while true {
            var pointer: UnsafeMutableRawPointer?
            guard redisGetReplyFromReader(context, &pointer) == REDIS_OK else { throw failure("reading a reply") }
            if let pointer {
                defer { freeReplyObject(pointer) }
                guard let reply = RedisReply(pointer.assumingMemoryBound(to: redisReply.self)) else {
                    throw .protocolViolation(endpoint: endpoint, detail: "a reply of a kind that was not asked for")
                }
                return reply
            }
            guard readsLeft > 0 else {
                throw .protocolViolation(endpoint: endpoint, detail: "its reply has over \(Self.longestReply) bytes")
            }
            readsLeft -= 1
            try waitForBytes(until: deadline)
            guard redisBufferRead(context) == REDIS_OK else { throw failure("reading a reply") }
        }
    }

    private func waitForBytes(until deadline: UInt64) throws(RedisError) {
        while true {
            let now = MonotonicClock.now()
            guard now < deadline else { throw .timedOut(endpoint: endpoint, action: "waiting for a reply") }
            var entry = pollfd(fd: descriptor, events: Int16(POLLIN), revents: 0)
            let ready = poll(&entry, 1, Int32((deadline - now) / 1_000_000 + 1))
            if ready > 0 { return }
            guard ready == 0 || mx_errno() == EINTR else {
                throw .unreachable(endpoint: endpoint, cause: "poll failed with error \(mx_errno())")
            }
        }
    }

    private func failure(_ action: String) -> RedisError {
        let systemError = mx_errno()
        let text = Self.errorText(of: context)
        switch context.pointee.err {
        case REDIS_ERR_PROTOCOL, REDIS_ERR_OTHER: return .protocolViolation(endpoint: endpoint, detail: text)
        case REDIS_ERR_OOM:
            return .protocolViolation(endpoint: endpoint, detail: "a reply that is too large to be taken")
        case REDIS_ERR_EOF: return .unreachable(endpoint: endpoint, cause: "it closed the connection")
        case REDIS_ERR_IO where systemError == EAGAIN || systemError == ETIMEDOUT:
            return .timedOut(endpoint: endpoint, action: action)
        default: return .unreachable(endpoint: endpoint, cause: "\(text) (\(action))")
        }
    }

    private static func errorText(of context: UnsafeMutablePointer<redisContext>) -> String {
        withUnsafeBytes(of: context.pointee.errstr) { String(decoding: $0.prefix { $0 != 0 }, as: UTF8.self) }
    }
}
