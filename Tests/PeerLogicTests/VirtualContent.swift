import Digest
import Mesh
import PeerLogic
import Records
import Transfer

/// Models of chosen sizes, whose bytes are not there.
enum VirtualContent {
    static func manifest(
        model: String, chunks: Int, revision: String = "main", salt: UInt8 = 0
    ) throws -> Manifest {
        let layout = try Layout(
            storages: [Storage(name: "model.safetensors", size: UInt64(chunks) * 4096)], chunkSize: 4096)
        let digests = (0..<chunks).map { chunk in
            ChunkDigests(crc32c: UInt32(chunk), strong: Digest256([UInt8](repeating: salt, count: 32)) ?? .zero)
        }
        return try Manifest(
            identity: SourceIdentity(model: model, revision: revision, stage: .files), rank: 0, layout: layout,
            tensors: [], digests: digests)
    }
}

extension VirtualMesh {
    /// Has a node serve a model whole; gives the manifest's name.
    @discardableResult
    mutating func serve(_ manifest: Manifest, at node: Int) -> ManifestID {
        let content = ServedContent(manifest: manifest)
        nodes[node].content[content.id] = ChunkSet(chunkCount: manifest.layout.chunkCount, full: true)
        handle(.serve(content), at: node)
        return content.id
    }

    mutating func pull(_ model: String, at node: Int, number: UInt64 = 1, wait: UInt64? = nil) -> PullID {
        let id = PullID(number)
        handle(.pull(id, WantedModel(model: model), PullOptions(wait: wait)), at: node)
        return id
    }

    /// What a node would choose from, in words that can be compared.
    func view(of node: Int) -> [String] {
        nodes[node].logic.mesh.sources(atWall: moment(of: node).wall).map { source in
            "\(source.peerID.short) \(source.announcement.identity.model) \(source.announcement.version)"
        }
    }

    /// Whether all nodes that live know exactly each other and offer the same view.
    var agrees: Bool {
        let living = nodes.filter(\.isAlive)
        let everybody = living.map(\.id).sorted()
        guard let first = living.first else { return true }
        let expected = view(of: first.index)
        return living.allSatisfy { $0.logic.mesh.knownPeers == everybody && view(of: $0.index) == expected }
    }
}
