/// Several frames that are forwarded together on one edge of the gossip: many small messages cost their wake-ups more than their
/// bytes. Not signed; each frame is judged by itself.
///
/// Layout: `"MXGB"` `version u8`, then behind a 32-bit count for each frame `hops u8` and the frame behind a 32-bit count.
package struct GossipBundle: Hashable, Sendable {
    package struct Entry: Hashable, Sendable {
        /// Edges that the frame has come over before this one; stays at 255.
        package let hops: UInt8
        package let frame: [UInt8]

        package init(hops: UInt8, frame: [UInt8]) {
            self.hops = hops
            self.frame = frame
        }

        /// Bytes of the entry in a bundle.
        package var size: Int { frame.count + 5 }
    }

    private static let magic: [UInt8] = Array("MXGB".utf8)
    /// Bytes before the first entry.
    package static let headSize = 9

    package let entries: [Entry]

    package init(entries: [Entry]) { self.entries = entries }

    /// Whether bytes from the wire claim to be a bundle and not a frame.
    package static func isClaimed(by bytes: [UInt8]) -> Bool {
        bytes.count >= 4 && bytes[0] == magic[0] && bytes[1] == magic[1] && bytes[2] == magic[2] && bytes[3] == magic[3]
    }
}

extension GossipBundle: WireCodable {
    package func encode(to writer: inout WireWriter) {
        writer.append(raw: Self.magic)
        writer.write(SignedFrame.wireVersion)
        writer.write(entries) {
            $0.write($1.hops)
            $0.write($1.frame)
        }
    }

    package init(from reader: inout WireReader) throws(WireError) {
        guard Array(try reader.readRaw(Self.magic.count, "bundle magic")) == Self.magic else {
            throw .malformed(field: "bundle magic")
        }
        let version = try reader.read(UInt8.self, "bundle version")
        guard version == SignedFrame.wireVersion else { throw .unsupportedVersion(UInt64(version)) }
        entries = try reader.readArray("bundled frames", limit: WireLimits.framesInBundle) {
            (reader) throws(WireError) in
            Entry(
                hops: try reader.read("hops"),
                frame: try reader.readBytes("bundled frame", limit: WireLimits.gossipFrame))
        }
    }
}
