import Records

/// What became of one input.
package enum FuzzVerdict: Hashable, Sendable {
    /// The decoder named what is wrong with it.
    case refused(String)
    /// It is a value, and its canonical bytes are the same value.
    case accepted
    /// The decoder took what it can't stand by: a bug.
    case broken(String)
}

/// One decoder that reads what a stranger sent, and what must hold for whatever it takes.
package struct FuzzTarget: Sendable {
    package let name: String
    private let judge: @Sendable ([UInt8]) -> FuzzVerdict

    private init(_ name: String, _ judge: @escaping @Sendable ([UInt8]) -> FuzzVerdict) {
        self.name = name
        self.judge = judge
    }

    package func check(_ input: [UInt8]) -> FuzzVerdict { judge(input) }

    package static let all: [FuzzTarget] = [
        FuzzTarget("safetensors") { checkSafetensors($0) },
        record("signed-frame", SignedFrame.self),
        record("certificate-chain", CertificateChain.self),
        record("peer-record", PeerRecord.self),
        record("beacon", Beacon.self),
        record("announcement", Announcement.self),
        record("introduction-proof", IntroductionProof.self),
        record("equivocation-proof", EquivocationProof.self),
        record("revocation-notice", RevocationNotice.self),
        record("gossip-bundle", GossipBundle.self),
        record("manifest", Manifest.self) { checkLayout($0.layout) },
        record("chunk-set", ChunkSet.self) { checkMembers($0) },
        record("bootstrap-request", BootstrapRequest.self),
        record("bootstrap-answer", BootstrapAnswer.self),
        record("snapshot-manifest", SnapshotManifest.self),
        record("control-message", ControlMessage.self),
    ]

    package static func named(_ name: String) -> FuzzTarget? { all.first { $0.name == name } }

    /// A record is judged by its canonical form; `further` says what is wrong with a value beyond that, or nil.
    private static func record<Record: WireCodable & Equatable>(
        _ name: String, _ type: Record.Type, further: @escaping @Sendable (Record) -> String? = { _ in nil }
    ) -> FuzzTarget {
        FuzzTarget(name) { input in
            let value: Record
            do throws(WireError) { value = try Record(decoding: input) } catch { return .refused("\(error)") }
            let canonical = value.encoded
            do throws(WireError) {
                let again = try Record(decoding: canonical)
                guard again == value else { return .broken("its canonical bytes are another value") }
                guard again.encoded == canonical else { return .broken("it has two canonical forms") }
            } catch { return .broken("its canonical bytes are refused: \(error)") }
            return further(value).map { .broken($0) } ?? .accepted
        }
    }

    private static func checkLayout(_ layout: Layout) -> String? {
        for chunk in Set([0, layout.chunkCount / 2, layout.chunkCount - 1])
        where chunk >= 0 && chunk < layout.chunkCount {
            let pieces = layout.pieces(ofChunk: chunk)
            guard pieces.reduce(0, { $0 + $1.length }) == layout.length(ofChunk: chunk) else {
                return "the pieces of chunk \(chunk) don't make the chunk"
            }
            for piece in pieces where piece.offset + UInt64(piece.length) > layout.storages[piece.storage].size {
                return "a piece of chunk \(chunk) lies outside its storage"
            }
        }
        return nil
    }

    private static func checkMembers(_ set: ChunkSet) -> String? {
        guard set.elements.count == set.count else { return "it counts \(set.count), and has \(set.elements.count)" }
        return set.eighths <= 8 ? nil : "it has \(set.eighths) eighths"
    }

    /// The input is a whole file.
    private static func checkSafetensors(_ file: [UInt8]) -> FuzzVerdict {
        let header: SafetensorsHeader
        do throws(SafetensorsError) { header = try SafetensorsFile.parse(file) } catch { return .refused("\(error)") }
        let canonical = SafetensorsFile.encode(header)
        do throws(SafetensorsError) {
            let again = try SafetensorsFile.parse(canonical)
            guard again.tensors == header.tensors else { return .broken("its canonical bytes have other tensors") }
            guard SafetensorsFile.encode(again) == canonical else { return .broken("it has two canonical forms") }
        } catch { return .broken("its canonical bytes are refused: \(error)") }
        return .accepted
    }
}
