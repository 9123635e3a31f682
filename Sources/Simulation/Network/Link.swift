/// What one peer has to do with another: its own channels to it, and the other's channels to it.
struct Link {
    /// A socket of ours that connects to the other.
    enum Connection {
        case none
        /// Connecting, or trying again. Takes no message.
        case opening
        case open
    }

    var control = Connection.none
    var subscription = Connection.none
    /// Whether the other's hello was taken: what comes on its channel is its word.
    var isAdmitted = false
    /// Whether the other's subscription to us is in effect.
    var isListening = false
    /// When the last message that we sent it arrives: messages on a channel don't overtake each other. Nanoseconds.
    var lastControl: UInt64 = 0
    var lastGossip: UInt64 = 0
    /// When the gossip frames leave that wait for a thin link of ours, ascending.
    var departures: [UInt64] = []
    /// Messages of the other that wait for us.
    var waiting = 0
    /// Until when nothing that the other sends is looked at.
    var blockedUntil: UInt64 = 0
    /// Counts how often channels to it were opened or closed, so that a connection attempt that is too late ends.
    var generation = 0
}
