package import PeerLogic
import Records

/// Where a peer's sockets are bound and how others are told to reach it.
package struct PeerHostConfiguration: Sendable {
    /// Address to bind: `0.0.0.0`, `::` or one of the host's own.
    package var bindAddress: String
    /// Host that others connect to.
    package var advertisedHost: String
    /// 0 lets the system choose.
    package var bootstrapPort: UInt16
    package var controlPort: UInt16
    package var gossipPort: UInt16
    package var ioThreads: Int

    package init(
        bindAddress: String, advertisedHost: String, bootstrapPort: UInt16 = 0, controlPort: UInt16 = 0,
        gossipPort: UInt16 = 0, ioThreads: Int = 1
    ) {
        self.bindAddress = bindAddress
        self.advertisedHost = advertisedHost
        self.bootstrapPort = bootstrapPort
        self.controlPort = controlPort
        self.gossipPort = gossipPort
        self.ioThreads = ioThreads
    }
}

/// Performs what is not the mesh's: lanes, destinations, stores, notices. Called on the peer's thread; must not block.
package protocol PeerEffectHandler: AnyObject, Sendable {
    func perform(_ effect: PeerEffect)
}

/// Why a peer could not start.
package enum PeerHostError: Error, Sendable {
    /// An address can't be bound; `advice` says what to do.
    case bind(what: String, address: String, reason: String)
    case system(String)
}

extension PeerHostError: CustomStringConvertible {
    package var description: String {
        switch self {
        case .bind(let what, let address, let reason):
            "can't listen on \(address) for \(what): \(reason). Choose another port with --\(what)-port "
                + "(0 lets the system choose), or stop the program that holds it"
        case .system(let reason): reason
        }
    }
}

/// Bounds of the transport.
package enum TransportLimits {
    /// Channels admitted by ZAP whose peer has not shown its chain yet.
    static let probation = 1_024
    /// Messages that such a channel may send.
    static let probationMessages = 16
    /// Connections on the bootstrap port at once, and how long each may take, nanoseconds.
    static let bootstrapConnections = 256
    static let bootstrapTimeout: UInt64 = 2 * Duration64.second
    /// How long accepting pauses when no descriptor is left, nanoseconds.
    static let acceptPause: UInt64 = 100 * Duration64.millisecond
    /// Requests a second from one address, and addresses remembered.
    static let bootstrapRate = 20
    static let bootstrapAddresses = 4_096
    /// Addresses of one DNS name that are asked.
    static let addressesPerName = 8
    /// A channel that took no message for this long is opened anew, nanoseconds.
    static let reopenChannel: UInt64 = 5 * Duration64.second
    /// Messages that wait for one neighbour on a control channel. The largest are pages of half a megabyte, and a neighbour that
    /// asks without reading must not make us hold many.
    static let controlQueue: Int32 = 48
    /// How long the last messages of a leaving peer have to go out, nanoseconds.
    static let farewell: UInt64 = 200 * Duration64.millisecond
    /// The soonest next tick, nanoseconds: a bound on how busy a mistaken deadline can make a peer.
    static let shortestTick: UInt64 = Duration64.millisecond
}
