/// Which of the reader's ports is connected to which of the source's.
enum RDMAPairing {
    struct Pair: Hashable {
        let reader: Int
        let source: Int
    }

    /// Ports of a kind, those first whose addresses have the longest beginning in common: within a subnet before across a
    /// router, and rail to rail where each rail is a subnet. Each port is used once. Both lists have the fastest port first, which
    /// decides among equals.
    static func pairs(readers: [RDMAPortAddress], sources: [RDMAPortAddress]) -> [Pair] {
        var open: [(pair: Pair, common: Int)] = []
        for (reader, end) in readers.enumerated() {
            for (source, other) in sources.enumerated() where other.kind == end.kind {
                let common = commonBits(end.address, other.address)
                open.append((Pair(reader: reader, source: source), common))
            }
        }
        open.sort {
            ($1.common, $0.pair.reader + $0.pair.source, $0.pair.reader)
                < ($0.common, $1.pair.reader + $1.pair.source, $1.pair.reader)
        }
        var pairs: [Pair] = []
        for (pair, _) in open where !pairs.contains(where: { $0.reader == pair.reader || $0.source == pair.source }) {
            pairs.append(pair)
        }
        return pairs.sorted { $0.reader < $1.reader }
    }

    private static func commonBits(_ left: [UInt8], _ right: [UInt8]) -> Int {
        var bits = 0
        for (one, other) in zip(left, right) {
            guard one == other else { return bits + (one ^ other).leadingZeroBitCount }
            bits += 8
        }
        return bits
    }
}
