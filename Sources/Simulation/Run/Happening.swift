import Records

/// What can be scheduled in a run.
enum Happening {
    case arrival(to: Int, Arrival)
    /// A peer that was busy looks at what waits for it.
    case drain(Int)
    /// A new process starts on a machine.
    case start(machine: Int)
    /// A request reaches the machine of a bootstrap port.
    indirect case bootstrapRequest(from: Int, address: String, BootstrapRequest)
    indirect case handshake(Handshake)
    /// A partition has lasted so long that connections across it count as dead.
    case connectionsBreak(partition: Int)
    case connectionsOfDeadBreak(Int)
    /// A process that said goodbye is over.
    case ends(Int)
    case timelineBegins
    case step(Int)
    case heal(partition: Int)
    /// Conditions are looked at.
    case check
    /// Invariants that no single event shows are looked at.
    case audit
    /// A peer that lies does so again.
    case misbehave(Int)
    /// All must come to agree from now on, and must have agreed by now.
    case livenessBegins
    case livenessDue
    /// What the servers' store holds is kept, for an outage that comes.
    case store(step: Int)
    /// A server comes back with what the store held.
    case restore(machine: Int, step: Int)
    /// A peer of a newer release says what others don't know.
    case saysNews(Int)
    case speedsUp(machine: Int)
    /// The token that a process has is over, if it still is its token.
    case tokenEnds(Int, TokenID)
    case tokenRevoked(TokenID)
}

/// An attempt to connect, about to succeed or fail.
struct Handshake {
    enum Socket {
        case control
        case subscription
    }

    let from: Int
    let to: Int
    let socket: Socket
    /// The link's generation when the attempt began: another one makes it void.
    let generation: Int
    var attempt: Int
}

/// How far a run is.
package struct RunProgress: Hashable, Sendable {
    /// Events between two reports.
    static let interval = 1 << 16

    package let events: Int
    /// Virtual nanoseconds.
    package let time: UInt64
    /// Nil while peers still join.
    package let timelineBegan: UInt64?
    package let end: UInt64
}
