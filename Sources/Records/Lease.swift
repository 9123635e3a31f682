package import Digest

/// How a reader may reach a source's bytes under one lease.
package struct LaneOffer: Hashable, Sendable {
    package let kind: LaneKind
    /// Shared memory: the name of a socket in the host's lane folder. TCP: host name or address.
    package let address: String
    /// TCP only.
    package let port: UInt16

    package init(kind: LaneKind, address: String, port: UInt16) {
        self.kind = kind
        self.address = address
        self.port = port
    }
}

extension LaneOffer: WireCodable {
    package func encode(to writer: inout WireWriter) {
        writer.write(kind.rawValue)
        writer.write(address)
        writer.write(port)
    }

    package init(from reader: inout WireReader) throws(WireError) {
        kind = try LaneKind(from: &reader)
        address = try reader.readString("lane address", limit: WireLimits.host)
        port = try reader.read("lane port")
    }
}

/// A target's permission to read from a source: what it may read, how, and until when.
package struct LeaseGrant: Hashable, Sendable {
    package let lease: LeaseID
    package let manifest: ManifestID
    /// Counts restarts of what the lease's addresses belong to.
    package let generation: UInt64
    /// Milliseconds on the reader's monotonic clock from receipt.
    package let duration: UInt32
    /// Reads in flight that the source allows.
    package let window: UInt16
    /// Which of the source's slots the reader has, below `slots`. Readers of one source begin with the chunks of their own slot,
    /// so that in a crowd it hands out each chunk once before it repeats one.
    package let slot: UInt16
    package let slots: UInt16
    /// Proves on a lane that the reader holds this lease. Travels only inside CURVE and is never logged.
    package let sessionKey: Digest256
    package let lanes: [LaneOffer]
    package let haveMap: ChunkSet

    package init(
        lease: LeaseID, manifest: ManifestID, generation: UInt64, duration: UInt32, window: UInt16,
        slot: UInt16 = 0, slots: UInt16 = 1, sessionKey: Digest256, lanes: [LaneOffer], haveMap: ChunkSet
    ) {
        self.lease = lease
        self.manifest = manifest
        self.generation = generation
        self.duration = duration
        self.window = window
        self.slot = slot
        self.slots = slots
        self.sessionKey = sessionKey
        self.lanes = lanes
        self.haveMap = haveMap
    }
}

extension LeaseGrant: WireCodable {
    package func encode(to writer: inout WireWriter) {
        writer.write(lease)
        writer.write(manifest)
        writer.write(generation)
        writer.write(duration)
        writer.write(window)
        writer.write(slot)
        writer.write(slots)
        writer.write(sessionKey)
        writer.write(lanes) { $1.encode(to: &$0) }
        haveMap.encode(to: &writer)
    }

    package init(from reader: inout WireReader) throws(WireError) {
        lease = try reader.readIdentifier("lease")
        manifest = try reader.readIdentifier("lease manifest")
        generation = try reader.read("lease generation")
        duration = try reader.read("lease duration")
        window = try reader.read("lease window")
        slot = try reader.read("lease slot")
        slots = try reader.read("lease slots")
        guard slot < slots else { throw .malformed(field: "lease slot") }
        sessionKey = try reader.readDigest("session key")
        lanes = try reader.readArray("lanes", limit: WireLimits.lanes) {
            (reader) throws(WireError) in try LaneOffer(from: &reader)
        }
        haveMap = try ChunkSet(from: &reader)
    }
}

/// Why a source refuses a probe, a lease or a manifest.
package enum RefusalCode: UInt8, Sendable, CaseIterable {
    /// All slots are taken: ask again after the named time.
    case busy = 1
    /// The source doesn't have this manifest (any more).
    case unknownManifest = 2
    /// The reader's certificate lacks the role or the model prefix.
    case notPermitted = 3
    /// The source is leaving.
    case draining = 4
    /// The lease is not known, or has ended.
    case unknownLease = 5
    /// None of the lanes the reader asked for is offered.
    case noLane = 6

    package var sentence: String {
        switch self {
        case .busy: "all its slots are taken"
        case .unknownManifest: "it doesn't have this content"
        case .notPermitted: "our certificate lacks the role or the model prefix (see `modelexpress keys token`)"
        case .draining: "it is leaving"
        case .unknownLease: "the lease has ended"
        case .noLane: "it offers none of the lanes that we can use"
        }
    }
}
