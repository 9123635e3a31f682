/// How the bytes of one connection are moved, when not plainly: TLS, put in by whoever starts the face. Called on the face's thread
/// only, over a non-blocking socket, which stays the face's.
package protocol ByteChannel: AnyObject {
    /// Goes on with what has to come before the first byte, as far as the socket lets it.
    func begin() -> ByteChannelStep
    /// The next bytes, 16 KiB of them or more: what is left behind, poll doesn't see.
    func receive() -> ByteChannelReceived
    /// Sends what the socket takes now; 0 bytes when that is none, nil when nothing will go out any more.
    func send(_ bytes: ArraySlice<UInt8>) -> Int?
    /// Tells the client that no more will come; waits for nothing.
    func finish()
}

package enum ByteChannelStep: Sendable {
    case ready
    case wantsRead
    case wantsWrite
    case failed(reason: String)
}

package enum ByteChannelReceived: Sendable {
    case bytes([UInt8])
    case nothing
    /// The client's end, or an error.
    case ended
}

/// The bytes as they are.
final class PlainChannel: ByteChannel {
    private let descriptor: Int32

    init(descriptor: Int32) { self.descriptor = descriptor }

    func begin() -> ByteChannelStep { .ready }
    func receive() -> ByteChannelReceived { SocketPiece.receive(from: descriptor) }
    func send(_ bytes: ArraySlice<UInt8>) -> Int? { SocketPiece.send(bytes, to: descriptor) }
    func finish() {}
}
