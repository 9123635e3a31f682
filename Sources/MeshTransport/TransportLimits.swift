import Records

/// Bounds of the transport. Times are nanoseconds.
package enum TransportLimits {
    // MARK: Keys without a peer

    /// Keys that ZAP let in, and that have not shown their chain yet; and how many of one address.
    static let probation = 1_024
    static let probationOfAddress = 128
    /// How long a key has to show its chain. Spent, it is refused until then.
    static let probationTime: UInt64 = 10 * Duration64.second
    /// What it may send meanwhile: greetings, of which a new channel sends 20 within a second and one a second after that; the
    /// largest is a signed frame.
    static let probationMessages = 32
    static let probationBytes = 2 * WireLimits.gossipFrame

    // MARK: Keys of peers

    /// On control channels, for each key. The burst holds the largest manifest, which is read page by page as fast as they
    /// come; after that it is what parses in a few hundredths of a core.
    static let controlTraffic = TrafficBudget.Limits(
        bytes: TokenBucket.Limit(burst: 320 << 20, perSecond: 32 << 20),
        messages: TokenBucket.Limit(burst: 8_192, perSecond: 2_000))
    /// On a neighbour's gossip: beacons of ten thousand peers are 700 a second, and each frame may cost a signature's check.
    static let gossipTraffic = TrafficBudget.Limits(
        bytes: TokenBucket.Limit(burst: 32 << 20, perSecond: 8 << 20),
        messages: TokenBucket.Limit(burst: 16_384, perSecond: 4_000))
    /// Greetings of one peer: each may cost several signatures' checks.
    static let greetings = TokenBucket.Limit(burst: 32, perSecond: 4)
    /// Subscriptions of one peer: one for each connection. libzmq keeps each at some 36 bytes a byte.
    static let subscriptions = TokenBucket.Limit(burst: 64, perSecond: 4)
    static let subscriptionBlock: UInt64 = 10 * Duration64.second
    /// What a key may send over its budget before it is taken for a flooder: its connections are cut, and it is refused.
    static let floodMessages: UInt64 = 16_384
    static let floodBytes: UInt64 = 256 << 20
    static let floodBlock: UInt64 = 600 * Duration64.second
    /// A key that stayed within its budget for so long is forgiven what it sent over it.
    static let floodMemory: UInt64 = 60 * Duration64.second
    /// Keys that are refused at once; the one that is free again soonest makes room.
    static let blockedKeys = 4_096

    // MARK: Connections

    /// libzmq's sockets: each neighbour has two, each of these a monitor of two more.
    static let sockets = 16_384
    /// Connections on one socket that others connect to. Beyond it the oldest stranger's is cut.
    static let connections = 4_096
    /// Connections a second to each socket, each of which costs a handshake's mathematics: many peers may share an address
    /// and start at once, and who is cut connects again.
    static let connectionRate = AddressRate.Limits(ofAddress: 200, ofAll: 2_000)
    /// Addresses that are counted within a second.
    static let countedAddresses = 4_096
    /// How long a connection may stand without a word from a peer.
    static let strangerTime: UInt64 = 15 * Duration64.second
    /// Bytes that came on one connection and that libzmq has not handed over: it queues by messages, and keeps the parts of
    /// an unfinished message without any bound.
    static let unreadBytes: UInt64 = 32 << 20
    static let unreadBytesOfStranger: UInt64 = 256 << 10
    /// How often connections are looked at, and how often while strangers are among them.
    static let watchPeriod: UInt64 = 500 * Duration64.millisecond
    static let strangerWatchPeriod: UInt64 = 100 * Duration64.millisecond
    /// The shortest time between two rebinds of a socket, which cut everybody's connections to it.
    static let rebindPeriod: UInt64 = 60 * Duration64.second
    /// How soon binding is tried again: the old listener goes on libzmq's own thread.
    static let rebindRetry: UInt64 = Duration64.millisecond

    // MARK: Queues

    /// Messages that wait for one neighbour on a control channel, and from it. The largest are pages of half a megabyte, and a
    /// neighbour that asks without reading must not make us hold many.
    static let controlQueue: Int32 = 48
    /// Gossip frames that wait for one neighbour, and from it. The option sheet allows 4,000 to come in; what is dropped is
    /// found by digests, and 4,000 of the largest would be a quarter of a gigabyte for each neighbour.
    static let gossipQueue: Int32 = 1_000
    /// Bytes that CURVE adds to a frame, and room for a frame that is over the limit to be seen and counted. What is larger
    /// still ends the connection within libzmq.
    static let frameAllowance = 4_096
    /// Bytes of a message to the gossip socket: the handshake's largest, INITIATE, or a subscription.
    static let subscriptionMessage = 512

    // MARK: Bootstrap

    /// Connections on the bootstrap port at once, and how long each may take.
    static let bootstrapConnections = 256
    static let bootstrapTimeout: UInt64 = 2 * Duration64.second
    /// How long accepting pauses when no descriptor is left.
    static let acceptPause: UInt64 = 100 * Duration64.millisecond
    /// Requests a second, each of which costs a signature.
    static let bootstrapRate = AddressRate.Limits(ofAddress: 20, ofAll: 2_000)
    /// Addresses of one DNS name that are asked.
    static let addressesPerName = 8

    // MARK: Others

    /// When a refused subscription is tried again: the other may not have taken us in yet.
    static let resubscribe: UInt64 = Duration64.second
    /// A channel that took no message for this long is opened anew.
    static let reopenChannel: UInt64 = 5 * Duration64.second
    /// How long the last messages of a leaving peer have to go out.
    static let farewell: UInt64 = 200 * Duration64.millisecond
    /// The soonest next tick: a bound on how busy a mistaken deadline can make a peer.
    static let shortestTick: UInt64 = Duration64.millisecond
    /// How often gauges are set, at most.
    static let metricsPeriod: UInt64 = 500 * Duration64.millisecond
}
