import Glibc

/// What a descriptor is watched for, and what happened to it.
package struct PollEvents: OptionSet, Sendable, Hashable {
    package let rawValue: Int16

    package init(rawValue: Int16) { self.rawValue = rawValue }

    /// Reading gives bytes, a connection, or the end.
    package static let readable = PollEvents(rawValue: Int16(POLLIN))
    /// Writing takes bytes.
    package static let writable = PollEvents(rawValue: Int16(POLLOUT))
    /// The other side closed. Reported always.
    package static let hangup = PollEvents(rawValue: Int16(POLLHUP))
    /// The descriptor failed. Reported always.
    package static let error = PollEvents(rawValue: Int16(POLLERR))
    /// The descriptor was closed while registered: a bug of its owner. Reported once, then it is unregistered.
    package static let invalid = PollEvents(rawValue: Int16(POLLNVAL))
}
