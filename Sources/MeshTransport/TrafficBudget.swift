import Records

/// Allows so much at once, and so much a second after that.
struct TokenBucket {
    struct Limit: Hashable {
        let burst: UInt64
        let perSecond: UInt64
    }

    private let limit: Limit
    private var level: Double
    private var filledAt: UInt64

    /// Full at `now`, nanoseconds on the monotonic clock.
    init(_ limit: Limit, now: UInt64) {
        self.limit = limit
        level = Double(limit.burst)
        filledAt = now
    }

    mutating func fill(now: UInt64) {
        guard now > filledAt else { return }
        let gained = Double(now - filledAt) / Double(Duration64.second) * Double(limit.perSecond)
        level = min(Double(limit.burst), level + gained)
        filledAt = now
    }

    /// Whether so much is there; taken only by `take`.
    func holds(_ amount: UInt64) -> Bool { level >= Double(amount) }

    /// False, and nothing is taken, when there isn't so much.
    mutating func take(_ amount: UInt64, now: UInt64) -> Bool {
        fill(now: now)
        guard holds(amount) else { return false }
        level -= Double(amount)
        return true
    }

    var isFull: Bool { level >= Double(limit.burst) }
}

/// Messages and bytes that one key may send us, and what it sent over that.
struct TrafficBudget {
    struct Limits {
        let bytes: TokenBucket.Limit
        let messages: TokenBucket.Limit
    }

    enum Outcome {
        case within, over
        /// The excess is beyond what haste explains.
        case flood
    }

    private var bytes: TokenBucket
    private var messages: TokenBucket
    private var excessMessages: UInt64 = 0
    private var excessBytes: UInt64 = 0
    private var lastExcess: UInt64 = 0

    init(_ limits: Limits, now: UInt64) {
        bytes = TokenBucket(limits.bytes, now: now)
        messages = TokenBucket(limits.messages, now: now)
    }

    mutating func take(_ count: Int, now: UInt64) -> Outcome {
        bytes.fill(now: now)
        messages.fill(now: now)
        if bytes.holds(UInt64(count)), messages.holds(1) {
            _ = bytes.take(UInt64(count), now: now)
            _ = messages.take(1, now: now)
            return .within
        }
        if now > lastExcess + TransportLimits.floodMemory { (excessMessages, excessBytes) = (0, 0) }
        excessMessages += 1
        excessBytes += UInt64(count)
        lastExcess = now
        let isFlood = excessMessages > TransportLimits.floodMessages || excessBytes > TransportLimits.floodBytes
        return isFlood ? .flood : .over
    }

    /// Whether forgetting it makes no difference.
    mutating func isIdle(now: UInt64) -> Bool {
        bytes.fill(now: now)
        messages.fill(now: now)
        return bytes.isFull && messages.isFull
            && (lastExcess == 0 || now > lastExcess + TransportLimits.floodMemory)
    }
}

/// Everything that is counted for one key.
struct KeyTraffic {
    private var control: TrafficBudget
    private var gossip: TrafficBudget
    var greetings: TokenBucket
    var subscriptions: TokenBucket

    init(now: UInt64) {
        control = TrafficBudget(TransportLimits.controlTraffic, now: now)
        gossip = TrafficBudget(TransportLimits.gossipTraffic, now: now)
        greetings = TokenBucket(TransportLimits.greetings, now: now)
        subscriptions = TokenBucket(TransportLimits.subscriptions, now: now)
    }

    mutating func take(_ bytes: Int, on role: SocketRole, now: UInt64) -> TrafficBudget.Outcome {
        switch role {
        case .control: control.take(bytes, now: now)
        case .gossip: gossip.take(bytes, now: now)
        }
    }

    mutating func isIdle(now: UInt64) -> Bool {
        greetings.fill(now: now)
        subscriptions.fill(now: now)
        return control.isIdle(now: now) && gossip.isIdle(now: now) && greetings.isFull && subscriptions.isFull
    }
}
