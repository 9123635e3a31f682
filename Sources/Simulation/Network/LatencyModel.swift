import Records

/// How long a message is on its way, one direction, nanoseconds.
package indirect enum LatencyModel: Hashable, Sendable {
    case constant(UInt64)
    case uniform(ClosedRange<UInt64>)
    /// `sigma` is that of the logarithm.
    case lognormal(median: UInt64, sigma: Double)
    case zones(inside: LatencyModel, between: LatencyModel)

    /// Draws a latency.
    func draw(inOneZone: Bool, using generator: inout SeededGenerator) -> UInt64 {
        switch self {
        case .constant(let latency): return latency
        case .uniform(let range): return UInt64.random(in: range, using: &generator)
        case .lognormal(let median, let sigma):
            let factor = Exponential.power(sigma * Self.normal(using: &generator))
            return UInt64(min(Double(median) * factor, Double(UInt64.max / 4)))
        case .zones(let inside, let between):
            return (inOneZone ? inside : between).draw(inOneZone: inOneZone, using: &generator)
        }
    }

    /// Nearly normal, as a sum of twelve uniform numbers: only additions, so that it is the same on every machine.
    private static func normal(using generator: inout SeededGenerator) -> Double {
        (0..<12).reduce(-6.0) { sum, _ in sum + Double(generator.next() >> 11) / Double(1 << 53) }
    }
}

/// The exponential function from operations that every machine rounds alike; the C library's may differ in the last bit.
enum Exponential {
    static func power(_ exponent: Double) -> Double {
        let halvings = 10
        let reduced = max(-50, min(50, exponent)) / Double(1 << halvings)
        var term = 1.0
        var sum = 1.0
        for index in 1...8 {
            term *= reduced / Double(index)
            sum += term
        }
        for _ in 0..<halvings { sum *= sum }
        return sum
    }
}
