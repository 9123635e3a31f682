package import Digest

/// Where a peer can be reached. A port of 0 says that it has no such face.
package struct Endpoints: Hashable, Sendable {
    /// Host name or address, as others can reach it (`MX_ADVERTISE_ADDRESS`).
    package let host: String
    package let bootstrapPort: UInt16
    package let controlPort: UInt16
    package let gossipPort: UInt16

    package init(host: String, bootstrapPort: UInt16, controlPort: UInt16, gossipPort: UInt16) {
        self.host = host
        self.bootstrapPort = bootstrapPort
        self.controlPort = controlPort
        self.gossipPort = gossipPort
    }
}

extension Endpoints: WireCodable {
    package func encode(to writer: inout WireWriter) {
        writer.write(host)
        writer.write(bootstrapPort)
        writer.write(controlPort)
        writer.write(gossipPort)
    }

    package init(from reader: inout WireReader) throws(WireError) {
        host = try reader.readString("host", limit: WireLimits.host)
        // A host goes into an endpoint string; only what addresses are made of may pass.
        guard !host.isEmpty, host.utf8.allSatisfy(Self.isHostCharacter) else { throw .malformed(field: "host") }
        bootstrapPort = try reader.read("bootstrap port")
        controlPort = try reader.read("control port")
        gossipPort = try reader.read("gossip port")
    }

    private static func isHostCharacter(_ byte: UInt8) -> Bool {
        switch byte {
        case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
            UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "."), UInt8(ascii: "-"), UInt8(ascii: "_"),
            UInt8(ascii: ":"), UInt8(ascii: "%"):
            true
        default: false
        }
    }
}

/// A peer's signed word about itself: its certificate chain, where it is reached, and where it stands.
package struct PeerRecord: Hashable, Sendable {
    package let version: Version
    package let validity: Validity
    package let chain: CertificateChain
    package let endpoints: Endpoints
    /// What people call it: a pod's or host's name.
    package let name: String
    package let zone: String
    /// Names the machine (boot id), so that peers of one host can tell; empty when unknown.
    package let host: String
    package let isDeparting: Bool

    package init(
        version: Version, validity: Validity, chain: CertificateChain, endpoints: Endpoints, name: String, zone: String,
        host: String, isDeparting: Bool = false
    ) {
        self.version = version
        self.validity = validity
        self.chain = chain
        self.endpoints = endpoints
        self.name = name
        self.zone = zone
        self.host = host
        self.isDeparting = isDeparting
    }
}

extension PeerRecord: SignedRecord {
    package static var purpose: Purpose { .peerRecord }

    package func encode(to writer: inout WireWriter) {
        version.encode(to: &writer)
        validity.encode(to: &writer)
        chain.encode(to: &writer)
        endpoints.encode(to: &writer)
        writer.write(name)
        writer.write(zone)
        writer.write(host)
        writer.write(isDeparting)
    }

    package init(from reader: inout WireReader) throws(WireError) {
        version = try Version(from: &reader)
        validity = try Validity(from: &reader)
        chain = try CertificateChain(from: &reader)
        endpoints = try Endpoints(from: &reader)
        name = try reader.readString("peer name", limit: WireLimits.name)
        zone = try reader.readString("zone", limit: WireLimits.name)
        host = try reader.readString("host id", limit: WireLimits.name)
        isDeparting = try reader.readBool("departing")
    }
}

/// "I am here, and exactly these of mine still hold": renews the set of records whose digest it carries.
package struct Beacon: Hashable, Sendable {
    package let version: Version
    package let validity: Validity
    /// Digest of the owner's record set (`RecordSetDigest`).
    package let recordSet: Digest256
    /// Hints, for excluding full sources and for people.
    package let slotsInUse: UInt16
    package let slots: UInt16
    package let bytesServed: UInt64
    package let bytesReceived: UInt64

    package init(
        version: Version, validity: Validity, recordSet: Digest256, slotsInUse: UInt16, slots: UInt16,
        bytesServed: UInt64, bytesReceived: UInt64
    ) {
        self.version = version
        self.validity = validity
        self.recordSet = recordSet
        self.slotsInUse = slotsInUse
        self.slots = slots
        self.bytesServed = bytesServed
        self.bytesReceived = bytesReceived
    }
}

extension Beacon: SignedRecord {
    package static var purpose: Purpose { .beacon }

    package func encode(to writer: inout WireWriter) {
        version.encode(to: &writer)
        validity.encode(to: &writer)
        writer.write(recordSet)
        writer.write(slotsInUse)
        writer.write(slots)
        writer.write(bytesServed)
        writer.write(bytesReceived)
    }

    package init(from reader: inout WireReader) throws(WireError) {
        version = try Version(from: &reader)
        validity = try Validity(from: &reader)
        recordSet = try reader.readDigest("record set")
        slotsInUse = try reader.read("slots in use")
        slots = try reader.read("slots")
        bytesServed = try reader.read("bytes served")
        bytesReceived = try reader.read("bytes received")
    }
}
