package import Digest

/// What a joiner wants to read, by its source id or, where the rest of the identity isn't known yet, by its model.
package struct SnapshotInterest: Hashable, Sendable {
    package enum Content: Hashable, Sendable {
        case source(SourceID)
        case model(String)
    }

    package let content: Content
    /// Nil: every rank.
    package let rank: UInt32?

    package init(_ content: Content, rank: UInt32? = nil) {
        self.content = content
        self.rank = rank
    }

    /// Whether somebody who announces this, of the source id `source`, offers or wants what is wanted here.
    package func covers(_ announcement: Announcement, of source: SourceID) -> Bool {
        guard rank == nil || rank == announcement.rank else { return false }
        switch content {
        case .source(let id): return source == id
        case .model(let model): return announcement.identity.model == model
        }
    }
}

/// Which peers a snapshot is to hold. Peers come whole, since a beacon renews exactly the set of a peer's records.
package enum SnapshotFilter: Hashable, Sendable {
    /// All: for servers and tools.
    case everything
    /// Those that announce one of these, and some others to be neighbours of. What else there is comes by digest exchanges.
    case interests([SnapshotInterest])

    /// Names the filter in a manifest.
    package var digest: Digest256 { BLAKE2b.digest(encoded) }
}

/// Where a snapshot is gone on with: which one, by whom, and how many of its frames have come.
package struct SnapshotCursor: Hashable, Sendable {
    package let epoch: UInt64
    package let sequence: UInt64
    package let offset: UInt32

    package init(epoch: UInt64, sequence: UInt64, offset: UInt32) {
        self.epoch = epoch
        self.sequence = sequence
        self.offset = offset
    }
}

/// What one snapshot holds, signed by the peer that made it: a joiner knows when it has all of it, and that nobody on the way took
/// anything out. Epoch and sequence are compared with those of the same peer only.
package struct SnapshotManifest: Hashable, Sendable {
    /// The maker's incarnation, and the number of the snapshot in it.
    package let epoch: UInt64
    package let sequence: UInt64
    /// Milliseconds since 1970 by the maker's clock.
    package let madeAt: Int64
    /// `SnapshotFilter.digest` of what it was made for: a mesh that is small is given whole.
    package let filter: Digest256
    /// Frames, and peers that they are of.
    package let count: UInt32
    package let peers: UInt32
    /// BLAKE2b over the digests of its frames, in order.
    package let digest: Digest256

    package init(
        epoch: UInt64, sequence: UInt64, madeAt: Int64, filter: Digest256, count: UInt32, peers: UInt32,
        digest: Digest256
    ) {
        self.epoch = epoch
        self.sequence = sequence
        self.madeAt = madeAt
        self.filter = filter
        self.count = count
        self.peers = peers
        self.digest = digest
    }
}

/// A part of a snapshot.
package struct SnapshotPage: Hashable, Sendable {
    /// The signed manifest, a frame.
    package let manifest: [UInt8]
    /// How many frames come before these.
    package let offset: UInt32
    package let frames: [[UInt8]]

    package init(manifest: [UInt8], offset: UInt32, frames: [[UInt8]]) {
        self.manifest = manifest
        self.offset = offset
        self.frames = frames
    }
}

extension SnapshotInterest: WireCodable {
    package func encode(to writer: inout WireWriter) {
        switch content {
        case .source(let id):
            writer.write(UInt8(0))
            writer.write(id)
        case .model(let model):
            writer.write(UInt8(1))
            writer.write(model)
        }
        writer.write(optional: rank) { $0.write($1) }
    }

    package init(from reader: inout WireReader) throws(WireError) {
        switch try reader.read(UInt8.self, "snapshot interest") {
        case 0: content = .source(try reader.readIdentifier("snapshot source"))
        case 1: content = .model(try reader.readString("snapshot model", limit: WireLimits.name))
        case let other: throw .unknownValue(field: "snapshot interest", value: UInt64(other))
        }
        rank = try reader.readOptional("snapshot rank") { (reader) throws(WireError) in try reader.read("rank") }
    }
}

extension SnapshotFilter: WireCodable {
    package func encode(to writer: inout WireWriter) {
        switch self {
        case .everything: writer.write(UInt8(0))
        case .interests(let interests):
            writer.write(UInt8(1))
            writer.write(interests) { $1.encode(to: &$0) }
        }
    }

    package init(from reader: inout WireReader) throws(WireError) {
        switch try reader.read(UInt8.self, "snapshot filter") {
        case 0: self = .everything
        case 1:
            self = .interests(
                try reader.readArray("snapshot interests", limit: WireLimits.snapshotInterests) {
                    (reader) throws(WireError) in try SnapshotInterest(from: &reader)
                })
        case let other: throw .unknownValue(field: "snapshot filter", value: UInt64(other))
        }
    }
}

extension SnapshotCursor: WireCodable {
    package func encode(to writer: inout WireWriter) {
        writer.write(epoch)
        writer.write(sequence)
        writer.write(offset)
    }

    package init(from reader: inout WireReader) throws(WireError) {
        epoch = try reader.read("snapshot epoch")
        sequence = try reader.read("snapshot sequence")
        offset = try reader.read("snapshot offset")
    }
}

extension SnapshotManifest: SignedRecord {
    package static var purpose: Purpose { .snapshot }

    package func encode(to writer: inout WireWriter) {
        writer.write(epoch)
        writer.write(sequence)
        writer.write(madeAt)
        writer.write(filter)
        writer.write(count)
        writer.write(peers)
        writer.write(digest)
    }

    package init(from reader: inout WireReader) throws(WireError) {
        epoch = try reader.read("snapshot epoch")
        sequence = try reader.read("snapshot sequence")
        madeAt = try reader.readSigned("snapshot time")
        filter = try reader.readDigest("snapshot filter")
        count = try reader.read("snapshot count")
        peers = try reader.read("snapshot peers")
        digest = try reader.readDigest("snapshot digest")
    }
}

extension SnapshotPage: WireCodable {
    package func encode(to writer: inout WireWriter) {
        writer.write(manifest)
        writer.write(offset)
        writer.write(frames) { $0.write($1) }
    }

    package init(from reader: inout WireReader) throws(WireError) {
        manifest = try reader.readBytes("snapshot manifest", limit: WireLimits.snapshotManifest)
        offset = try reader.read("snapshot offset")
        frames = try reader.readArray("snapshot frames", limit: WireLimits.framesInMessage) {
            (reader) throws(WireError) in try reader.readBytes("frame", limit: WireLimits.gossipFrame)
        }
    }
}
