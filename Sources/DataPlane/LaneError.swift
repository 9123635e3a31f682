package import Records

/// Why a lane, or one read on it, failed.
package enum LaneError: Error, Hashable, Sendable {
    /// Nobody listens there, there is no way to it, or it didn't answer in time.
    case unreachable(String)
    /// The source doesn't know the lease (any more), or the other end isn't that source. It doesn't say which.
    case refused
    /// This lane can't be read here.
    case unsupported(LaneKind)
    /// The source has this kind of lane, and not for this lease; it says why.
    case declined(String)
    /// A thread or descriptor was not to be had.
    case noResources(String)
    /// The other side doesn't keep to the lane's format.
    case protocolViolation(String)
    /// Shared memory: what was passed is not a read-only regular file of at least the storage's size.
    case unsuitableDescriptor(storage: String, why: String)
    /// The source doesn't have this chunk (yet). The lane lives on.
    case notAvailable
    /// The source can't read its own storage, which has shrunk or fails.
    case sourceFailed(String)
    /// The bytes are not those of the manifest, by their CRC32C.
    case crcMismatch(expected: UInt32, actual: UInt32)
    /// The bytes are not those of the manifest, although their CRC32C is right: no accident of a wire.
    case digestMismatch
    /// The target can't write, its disk is full for instance. No other source can help: the pull must stop.
    case sinkFailed(String)
    /// The connection ended, by either side.
    case connectionLost(String)
    /// More reads were asked for than may wait on one lane.
    case tooManyReads(limit: Int)

    /// The word of metrics.
    package var reason: String {
        switch self {
        case .unreachable: "unreachable"
        case .refused: "refused"
        case .unsupported: "unsupported"
        case .declined: "declined"
        case .noResources: "no_resources"
        case .protocolViolation: "protocol"
        case .unsuitableDescriptor: "descriptor"
        case .notAvailable: "not_available"
        case .sourceFailed: "source_failed"
        case .crcMismatch: "crc"
        case .digestMismatch: "digest"
        case .sinkFailed: "sink"
        case .connectionLost: "connection_lost"
        case .tooManyReads: "too_many_reads"
        }
    }
}

extension LaneError: CustomStringConvertible {
    package var description: String {
        switch self {
        case .unreachable(let why): "the source can't be reached: \(why)"
        case .refused: "the source refused the lane: the lease has ended, or another peer answers at this address"
        case .unsupported(let kind): "lane \(kind.word) can't be read here"
        case .declined(let why): "the source declines this lane: \(why)"
        case .noResources(let what): "the lane could not start: \(what)"
        case .protocolViolation(let what): "the other side doesn't speak this lane: \(what)"
        case .unsuitableDescriptor(let storage, let why): "the descriptor passed for \(storage) is refused: \(why)"
        case .notAvailable: "the source doesn't have this chunk"
        case .sourceFailed(let what): "the source can't read its content: \(what)"
        case .crcMismatch(let expected, let actual):
            "CRC32C is \(Self.hexadecimal(actual)) instead of \(Self.hexadecimal(expected))"
        case .digestMismatch: "the strong digest differs although the CRC32C is right"
        case .sinkFailed(let what): "the bytes could not be written here: \(what)"
        case .connectionLost(let why): "the connection ended: \(why)"
        case .tooManyReads(let limit): "\(limit) reads wait on this lane already"
        }
    }

    private static func hexadecimal(_ value: UInt32) -> String {
        let digits = String(value, radix: 16)
        return String(repeating: "0", count: 8 - digits.count) + digits
    }
}
