import Records

/// What a certified peer may do that no honest one does. Its logic is production's and honest; its shells lie for it.
package enum Misbehaviour: String, Hashable, Sendable, CaseIterable {
    /// Sends no gossip at all, and answers control messages.
    case mute
    /// Passes on nothing of what others said.
    case drop
    /// Sends its gossip two seconds late.
    case delay
    /// Publishes again what it once heard, also of peers that have left.
    case replay
    /// Changes what others said, and passes it on under their names.
    case forge
    /// Signs two different offers under one version.
    case equivocate
    /// Offers what others offer and it hasn't, in full and with a free place, and takes it back.
    case boast
    /// Speaks only of those who do the same, so that a newcomer takes them for the whole mesh.
    case eclipse
    /// Publishes records with signatures that don't hold, a hundred each second.
    case spam

    /// How often it does something of its own, nanoseconds; nil: it only keeps back.
    var period: UInt64? {
        switch self {
        case .mute, .drop, .delay, .eclipse: nil
        case .replay, .forge, .spam: 250 * Duration64.millisecond
        case .equivocate, .boast: 2 * Duration64.second
        }
    }
}
