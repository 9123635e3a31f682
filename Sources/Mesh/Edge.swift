import Records

/// The state of the channel to one neighbour.
struct Edge: Sendable {
    enum State: Sendable {
        /// A hello is sent until a welcome comes. Goes to `up`, or ends when the peer does.
        case greeting
        /// Messages flow. Goes to `down` after too many missed pings.
        case up
        /// Silent. Greeted again; goes to `up` with the next welcome or hello.
        case down
    }

    var state: State = .greeting
    /// Greetings sent at the quick pace.
    var greetings = 0
    /// Pings sent since something was last heard.
    var missed = 0
    /// The counter of the neighbour's latest gossip frame; a gap says that some were dropped.
    var gossipCounter: UInt64?
    /// The counter of the frame that was last published to the neighbour.
    var published: UInt64 = 0
    var isSubscribed = false
}
