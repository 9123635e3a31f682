/// What stands before each frame on an edge of the gossip: not signed, a hint of the neighbour that sent it.
package struct GossipHead: Hashable, Sendable {
    /// Counts the frames that the sender has sent on this edge, so that a gap shows what was dropped.
    package let counter: UInt64
    /// Edges that the frame has come over before this one; stays at 255.
    package let hops: UInt8

    package init(counter: UInt64, hops: UInt8) {
        self.counter = counter
        self.hops = hops
    }
}

extension GossipHead: WireCodable {
    package func encode(to writer: inout WireWriter) {
        writer.write(counter)
        writer.write(hops)
    }

    package init(from reader: inout WireReader) throws(WireError) {
        counter = try reader.read("gossip counter")
        hops = try reader.read("gossip hops")
    }
}
