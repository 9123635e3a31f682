import Records

/// Who a CURVE key belongs to, and by which routing id its channel answers. Keys without a peer are on probation.
struct Admissions {
    private struct Probation {
        var routingID: [UInt8]
        var messages: Int
    }

    private var peers: [CurveKey: PeerID] = [:]
    private var keys: [PeerID: CurveKey] = [:]
    private var routes: [CurveKey: [UInt8]] = [:]
    private var probation: [CurveKey: Probation] = [:]

    func peer(of key: CurveKey) -> PeerID? { peers[key] }

    func isAdmitted(_ key: CurveKey) -> Bool { peers[key] != nil }

    func route(to peer: PeerID) -> [UInt8]? { keys[peer].flatMap { routes[$0] } }

    /// Whether a key that nobody vouched for may open a control channel.
    var hasRoomForProbation: Bool { probation.count < TransportLimits.probation }

    /// A key that is another live peer's stays that peer's: a certificate may claim any key, and only the channel proves it.
    mutating func admit(_ key: CurveKey, as peer: PeerID) {
        guard peers[key] == nil || peers[key] == peer else { return }
        if let old = keys[peer], old != key { forget(old) }
        peers[key] = peer
        keys[peer] = key
        if let waiting = probation.removeValue(forKey: key) { routes[key] = waiting.routingID }
    }

    /// Notes a message from an admitted channel.
    mutating func heard(from key: CurveKey, routingID: [UInt8]) { routes[key] = routingID }

    /// Notes a message from a channel on probation; false when it said too much, or there are too many.
    mutating func heardOnProbation(from key: CurveKey, routingID: [UInt8]) -> Bool {
        guard var entry = probation[key] else {
            guard hasRoomForProbation else { return false }
            probation[key] = Probation(routingID: routingID, messages: 1)
            return true
        }
        entry.routingID = routingID
        entry.messages += 1
        probation[key] = entry
        return entry.messages <= TransportLimits.probationMessages
    }

    /// Forgets channels that never showed a chain; called now and then.
    mutating func endProbations() { probation.removeAll() }

    mutating func remove(_ peer: PeerID) {
        guard let key = keys.removeValue(forKey: peer) else { return }
        forget(key)
    }

    private mutating func forget(_ key: CurveKey) {
        peers[key] = nil
        routes[key] = nil
    }
}
