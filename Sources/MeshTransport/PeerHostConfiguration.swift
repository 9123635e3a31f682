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
    /// Connections that the kernel keeps until they are accepted.
    package var backlog: Int32

    package init(
        bindAddress: String, advertisedHost: String, bootstrapPort: UInt16 = 0, controlPort: UInt16 = 0,
        gossipPort: UInt16 = 0, ioThreads: Int = 1, backlog: Int32 = 1024
    ) {
        self.bindAddress = bindAddress
        self.advertisedHost = advertisedHost
        self.bootstrapPort = bootstrapPort
        self.controlPort = controlPort
        self.gossipPort = gossipPort
        self.ioThreads = ioThreads
        self.backlog = backlog
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
