import Digest
package import Records

/// Names of records: a peer's own record, and one for each (source id, rank) that it speaks of. The cluster is the same for
/// everything in one mesh, and signed into every frame.
package enum RecordKeys {
    package static func peer(_ peer: PeerID) -> RecordID {
        RecordID(SHA256.digest(Array("peer".utf8) + peer.bytes))
    }

    /// Where a store keeps a peer's latest beacon; beacons take no part in digest exchanges.
    package static func beacon(_ peer: PeerID) -> RecordID {
        RecordID(SHA256.digest(Array("beacon".utf8) + peer.bytes))
    }

    package static func announcement(_ peer: PeerID, _ source: SourceID, rank: UInt32) -> RecordID {
        var writer = WireWriter()
        writer.append(raw: Array("announcement".utf8))
        writer.write(peer)
        writer.write(source)
        writer.write(rank)
        return RecordID(SHA256.digest(writer.bytes))
    }
}
