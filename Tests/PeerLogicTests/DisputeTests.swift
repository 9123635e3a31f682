import Mesh
import PeerLogic
import Records
import Testing

@Suite("Readers dispute what a source gives")
struct DisputeTests {
    private let second = Duration64.second

    private func mesh(sources: Int, chunks: Int) throws -> VirtualMesh {
        var mesh = VirtualMesh(seed: 21)
        try mesh.startMany(sources + 1)
        for node in 0..<sources { mesh.serve(try VirtualContent.manifest(model: "org/a", chunks: chunks), at: node) }
        mesh.run(for: 5 * second)
        return mesh
    }

    @Test("A source whose content has changed takes its offer back, and its reader completes from another")
    func changedContent() throws {
        var mesh = try mesh(sources: 2, chunks: 40)
        mesh.nodes[0].wrongChunks = Set(0..<40)
        let pull = mesh.pull("org/a", at: 2)
        #expect(mesh.run(for: 10 * second) { $0.nodes[2].isComplete(pull) })
        mesh.run(for: 2 * second)
        #expect(mesh.nodes[0].logic.offerViews.isEmpty)
        #expect(mesh.nodes[0].log.contains { $0.level == .error })
        #expect(mesh.nodes[1].logic.offerViews.count == 1)
        let offers = mesh.nodes[2].logic.mesh.sources(atWall: mesh.moment(of: 2).wall)
        #expect(!offers.contains { $0.peerID == mesh.nodes[0].id })
    }

    @Test("A source whose content is right goes on, whatever a reader says, and looks once a second at most")
    func wrongDispute() throws {
        var mesh = try mesh(sources: 1, chunks: 400)
        let pull = mesh.pull("org/a", at: 1)
        #expect(mesh.run(for: 5 * second) { !$0.nodes[0].leases.isEmpty })
        let lease = try #require(mesh.nodes[0].leases.keys.first)
        let reader = mesh.nodes[1].id
        for chunk in 0..<50 {
            mesh.handle(
                .message(from: reader, ControlMessage.chunkDispute(lease: lease, chunk: UInt32(chunk)).encoded), at: 0)
        }
        #expect(mesh.run(for: 20 * second) { $0.nodes[1].isComplete(pull) })
        #expect(mesh.nodes[0].logic.offerViews.count == 1)
        #expect(mesh.nodes[0].log.count { $0.message.contains("digested again") } == 1)
    }

    @Test("A dispute by somebody else than the lease's reader, or of no lease, is not looked into")
    func strangers() throws {
        var mesh = try mesh(sources: 2, chunks: 400)
        let pull = mesh.pull("org/a", at: 2)
        #expect(mesh.run(for: 5 * second) { !$0.nodes[0].leases.isEmpty })
        let lease = try #require(mesh.nodes[0].leases.keys.first)
        let stranger = mesh.nodes[1].id
        mesh.handle(.message(from: stranger, ControlMessage.chunkDispute(lease: lease, chunk: 1).encoded), at: 0)
        let unknown = LeaseID(mesh.nodes[0].secrets.unpredictable())
        let reader = mesh.nodes[2].id
        mesh.handle(.message(from: reader, ControlMessage.chunkDispute(lease: unknown, chunk: 1).encoded), at: 0)
        #expect(mesh.run(for: 20 * second) { $0.nodes[2].isComplete(pull) })
        #expect(!mesh.nodes[0].log.contains { $0.message.contains("digested again") })
    }
}
