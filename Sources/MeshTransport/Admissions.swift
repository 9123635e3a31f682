import Records

/// Who a CURVE key belongs to, by which routing id its channel answers, and how much it may send. Keys without a peer are on
/// probation; times are nanoseconds on the monotonic clock.
struct Admissions {
    /// What becomes of a frame, decided by its sender's key before anybody looks into it.
    enum Verdict: Hashable {
        case from(PeerID)
        /// Nobody vouches for the key: only a greeting is listened to.
        case onProbation
        /// `isFinal`: nothing good will come on this connection.
        case dropped(DroppedFrame, isFinal: Bool)
    }

    private struct Probation {
        let address: String
        let end: UInt64
        var routingID: [UInt8] = []
        var messages = 0
        var bytes = 0
    }

    private var peers: [CurveKey: PeerID] = [:]
    private var keys: [PeerID: CurveKey] = [:]
    private var routes: [CurveKey: [UInt8]] = [:]
    private var probation: [CurveKey: Probation] = [:]
    private var probationOfAddress: [String: Int] = [:]
    private var blockedUntil: [CurveKey: UInt64] = [:]
    private var traffic: [CurveKey: KeyTraffic] = [:]

    func peer(of key: CurveKey) -> PeerID? { peers[key] }

    func key(of peer: PeerID) -> CurveKey? { keys[peer] }

    func isAdmitted(_ key: CurveKey) -> Bool { peers[key] != nil }

    func route(to peer: PeerID) -> [UInt8]? { keys[peer].flatMap { routes[$0] } }

    var probationCount: Int { probation.count }

    var blockedCount: Int { blockedUntil.count }

    // MARK: What the mesh decides

    /// A key that is another live peer's stays that peer's: a certificate may claim any key, and only the channel proves it.
    mutating func admit(_ key: CurveKey, as peer: PeerID) {
        guard peers[key] == nil || peers[key] == peer else { return }
        if let old = keys[peer], old != key { forget(old) }
        peers[key] = peer
        keys[peer] = key
        if let waiting = endProbation(of: key), !waiting.routingID.isEmpty { routes[key] = waiting.routingID }
    }

    mutating func remove(_ peer: PeerID) {
        guard let key = keys.removeValue(forKey: peer) else { return }
        forget(key)
    }

    /// ZAP refuses the key, and nothing from it is looked at, until then. A longer block stays.
    mutating func block(_ key: CurveKey, until end: UInt64) {
        if blockedUntil[key] == nil, blockedUntil.count >= TransportLimits.blockedKeys,
            let soonest = blockedUntil.min(by: { ($0.value, $0.key) < ($1.value, $1.key) })?.key
        {
            blockedUntil[soonest] = nil
        }
        blockedUntil[key] = max(end, blockedUntil[key] ?? 0)
        _ = endProbation(of: key)
    }

    func isBlocked(_ key: CurveKey, now: UInt64) -> Bool { blockedUntil[key].map { now < $0 } ?? false }

    // MARK: What the sockets ask

    /// Whether a key may open a control channel; one that nobody vouches for is on probation from now on.
    mutating func mayConnect(_ key: CurveKey, from address: String, now: UInt64) -> Bool {
        guard !isBlocked(key, now: now) else { return false }
        if isAdmitted(key) { return true }
        if let waiting = probation[key] { return !Self.isSpent(waiting, now) }
        return beginProbation(key, address, now)
    }

    /// Whether a key may listen to our gossip. `isOurChannel`: we have a channel to its holder, whose greeting may come after its
    /// subscription.
    func maySubscribe(_ key: CurveKey, isOurChannel: Bool, now: UInt64) -> Bool {
        (isAdmitted(key) || isOurChannel) && !isBlocked(key, now: now)
    }

    /// Judges a message of so many bytes from somebody who connected to our control socket.
    mutating func judge(_ key: CurveKey, routingID: [UInt8], bytes: Int, now: UInt64) -> Verdict {
        guard !isBlocked(key, now: now) else { return .dropped(.blocked, isFinal: true) }
        guard let peer = peers[key] else { return judgeStranger(key, routingID, bytes, now) }
        routes[key] = routingID
        return judge(key, of: peer, .control, bytes, now)
    }

    /// Judges a message on our own channel to the peer, whose key CURVE has checked.
    mutating func judgeControl(_ key: CurveKey, of peer: PeerID, bytes: Int, now: UInt64) -> Verdict {
        judge(key, of: peer, .control, bytes, now)
    }

    /// Judges a frame of a neighbour's gossip.
    mutating func judgeGossip(_ key: CurveKey, of peer: PeerID, bytes: Int, now: UInt64) -> Verdict {
        judge(key, of: peer, .gossip, bytes, now)
    }

    /// Judges what a listener says to our gossip socket. There is little to say, so who says much is cut at once; not for long,
    /// since a failing network says it again and again.
    mutating func judgeSubscription(_ key: CurveKey, isOurChannel: Bool, now: UInt64) -> Verdict {
        guard !isBlocked(key, now: now) else { return .dropped(.blocked, isFinal: true) }
        guard isAdmitted(key) || isOurChannel else { return .dropped(.unknown, isFinal: true) }
        if traffic[key, default: KeyTraffic(now: now)].subscriptions.take(1, now: now) {
            return peers[key].map { .from($0) } ?? .onProbation
        }
        block(key, until: now + TransportLimits.subscriptionBlock)
        return .dropped(.overBudget, isFinal: true)
    }

    /// Whether a greeting of a peer is listened to; a stranger's are bounded by its probation.
    mutating func mayGreet(_ key: CurveKey, now: UInt64) -> Bool {
        guard isAdmitted(key) else { return true }
        return traffic[key, default: KeyTraffic(now: now)].greetings.take(1, now: now)
    }

    /// The router was bound anew: no routing id is worth anything.
    mutating func forgetRoutes() { routes.removeAll() }

    /// Forgets probations, blocks and budgets that are over; called now and then.
    mutating func sweep(now: UInt64) {
        for (key, waiting) in probation where waiting.end <= now { _ = endProbation(of: key) }
        for (key, end) in blockedUntil where end <= now { blockedUntil[key] = nil }
        for key in Array(traffic.keys) where traffic[key]?.isIdle(now: now) == true { traffic[key] = nil }
    }

    // MARK: Inside

    private mutating func judge(
        _ key: CurveKey, of peer: PeerID, _ role: SocketRole, _ bytes: Int, _ now: UInt64
    ) -> Verdict {
        guard !isBlocked(key, now: now) else { return .dropped(.blocked, isFinal: true) }
        switch traffic[key, default: KeyTraffic(now: now)].take(bytes, on: role, now: now) {
        case .within: return .from(peer)
        case .over: return .dropped(.overBudget, isFinal: false)
        case .flood:
            block(key, until: now + TransportLimits.floodBlock)
            return .dropped(.overBudget, isFinal: true)
        }
    }

    private mutating func judgeStranger(_ key: CurveKey, _ routingID: [UInt8], _ bytes: Int, _ now: UInt64) -> Verdict {
        // A peer that was forgotten meanwhile still has its connection.
        guard var waiting = probation[key] ?? (beginProbation(key, "", now) ? probation[key] : nil) else {
            return .dropped(.unknown, isFinal: true)
        }
        waiting.messages += 1
        waiting.bytes += bytes
        waiting.routingID = routingID
        probation[key] = waiting
        return Self.isSpent(waiting, now) ? .dropped(.unknown, isFinal: true) : .onProbation
    }

    private static func isSpent(_ waiting: Probation, _ now: UInt64) -> Bool {
        now >= waiting.end || waiting.messages > TransportLimits.probationMessages
            || waiting.bytes > TransportLimits.probationBytes
    }

    private mutating func beginProbation(_ key: CurveKey, _ address: String, _ now: UInt64) -> Bool {
        guard probation.count < TransportLimits.probation,
            probationOfAddress[address, default: 0] < TransportLimits.probationOfAddress
        else { return false }
        probation[key] = Probation(address: address, end: now + TransportLimits.probationTime)
        probationOfAddress[address, default: 0] += 1
        return true
    }

    private mutating func endProbation(of key: CurveKey) -> Probation? {
        guard let waiting = probation.removeValue(forKey: key) else { return nil }
        let left = probationOfAddress[waiting.address, default: 1] - 1
        probationOfAddress[waiting.address] = left > 0 ? left : nil
        return waiting
    }

    private mutating func forget(_ key: CurveKey) {
        peers[key] = nil
        routes[key] = nil
    }
}
