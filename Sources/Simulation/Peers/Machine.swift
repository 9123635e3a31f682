import Mesh
import Records

/// What runs on a machine.
package enum MachineRole: String, Hashable, Sendable, CaseIterable {
    /// A rendezvous: an ordinary peer whose address everybody is told.
    case server
    case peer
}

/// A place in the network with an address, where one peer process after the other may run.
struct Machine {
    let index: Int
    let role: MachineRole
    let zone: Int
    /// The process that runs there now.
    var process: Int?
    /// How far its wall clock is ahead, milliseconds.
    var skew: Int64 = 0
    /// Bytes a second that it can send, nil: any; and when its link has sent what there is, nanoseconds.
    var uplink: Double?
    var uplinkFreeAt: UInt64 = 0
    /// How many times as long its processor takes as one that works well.
    var slowness: UInt64 = 1
    /// Whom a process that starts there asks first; nil: whom everybody asks.
    var contacts: [String]?
    /// A model that each process there offers from its start.
    var offers = false
    /// How each process there is built wrongly.
    var faults: [PlantedFault] = []

    var name: String { "\(role.rawValue)\(index)" }
    var endpoints: Endpoints {
        Endpoints(host: name, bootstrapPort: bootstrapPort, controlPort: 8013, gossipPort: 8014)
    }
    var address: String { "\(name):\(bootstrapPort)" }
    var presence: OwnPresence { OwnPresence(name: name, zone: "zone\(zone)", host: name) }

    private var bootstrapPort: UInt16 { role == .server ? 8002 : 8012 }
}
