/// What a socket is.
package enum ZeroMQSocketKind: Sendable {
    /// Publishes, and sees subscriptions.
    case xpub
    /// Subscribes.
    case sub
    /// Subscribes, and gets all that the publisher sends, asked for or not.
    case xsub
    /// Talks to many by routing id, the first frame.
    case router
    /// Talks to those it is connected to, in turn.
    case dealer
    /// Answers one request at a time.
    case rep
    /// Asks one request at a time.
    case req
    /// Talks to exactly one.
    case pair
}

/// All frames of one received message, and what libzmq knows of its sender.
package struct ZeroMQMessage: Sendable, Equatable {
    /// The most frames of a message; one with more is dropped and counted.
    package static let maximumFrames = 16

    /// The frames; at a ROUTER the first is the sender's routing id.
    package var frames: [[UInt8]]
    /// What the ZAP handler called the sender; nil without ZAP.
    package var userID: String?
    /// The sender's IP address as text, for TCP; an IPv4 one is written as such even over an IPv6 socket.
    package var peerAddress: String?
    /// The TCP connection it came on, which may be gone by now; nil for other transports.
    package var descriptor: Int32?

    /// A message with these frames.
    package init(frames: [[UInt8]], userID: String? = nil, peerAddress: String? = nil, descriptor: Int32? = nil) {
        self.frames = frames
        self.userID = userID
        self.peerAddress = peerAddress
        self.descriptor = descriptor
    }
}

/// IP addresses as libzmq writes them.
enum PeerAddress {
    /// A socket for both IP versions sees 192.0.2.1 as ::ffff:192.0.2.1.
    static func normalised(_ text: String) -> String {
        let mapped = "::ffff:"
        return text.hasPrefix(mapped) && text.contains(".") ? String(text.dropFirst(mapped.count)) : text
    }
}
