import Records

/// Bounds of what a sidecar and its workers say to each other. Times are nanoseconds.
package enum EngineLimits {
    /// Version of the messages; both sides refuse another.
    package static let protocolVersion = 1
    /// Workers of one pod.
    package static let workers = 64
    /// A description of a million tensors, with room; bytes.
    static let messageSize: Int64 = 256 * 1024 * 1024
    /// How long an answer to a small question may take: a worker's interpreter may be busy.
    static let answer: UInt64 = 2 * Duration64.second
    /// How long a description may take.
    static let description: UInt64 = 30 * Duration64.second
    /// How long the connection for descriptors may take.
    static let connect: UInt64 = Duration64.second
    /// How often sockets of workers that came are looked for.
    package static let watchPeriod: UInt64 = 200 * Duration64.millisecond
    /// How often a worker is asked how it does: while its engine waits for us, and otherwise.
    package static let urgentPeriod: UInt64 = 20 * Duration64.millisecond
    package static let calmPeriod: UInt64 = 250 * Duration64.millisecond
    /// How long readers may go on when an engine is about to work on its weights.
    package static let drain: UInt64 = 2 * Duration64.second
}
