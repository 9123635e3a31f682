import Records

/// Generators split from a run's one seed, so that what one part draws doesn't change what another part gets.
enum RandomStreams {
    enum Purpose: UInt64 {
        case peer = 1
        case keys
        case network
        case pairs
        case joining
        case faults
        case work
    }

    static func generator(_ seed: UInt64, _ purpose: Purpose, _ index: Int = 0) -> SeededGenerator {
        SeededGenerator(seed: mixed(mixed(seed, purpose.rawValue), UInt64(index)))
    }

    /// One number out of two, each bit of which depends on every bit of both.
    static func mixed(_ first: UInt64, _ second: UInt64) -> UInt64 {
        var generator = SeededGenerator(seed: first)
        var last = SeededGenerator(seed: generator.next() ^ second)
        return last.next()
    }
}
