import Digest
import Mesh
import PeerLogic
import Records
import Testing
import Trust

private let second = Duration64.second

@Suite("Frames that somebody plays back or makes up")
struct ReplayTests {
    /// A mesh of four that served and withdrew a model, and every record frame that node 0 took of node 1.
    private func withdrawn() throws -> (mesh: VirtualMesh, frames: [[UInt8]]) {
        var mesh = VirtualMesh(seed: 20)
        try mesh.startMany(4)
        mesh.run(for: 5 * second)
        let manifest = mesh.serve(try VirtualContent.manifest(model: "org/a", chunks: 4), at: 1)
        mesh.run(for: second)
        mesh.handle(.withdraw(manifest), at: 1)
        mesh.run(for: second)
        let author = mesh.nodes[1].id
        let frames = mesh.nodes[0].changes.compactMap { change -> [UInt8]? in
            if case .record(_, author, _, _, _, let frame) = change { frame } else { nil }
        }
        return (mesh, frames)
    }

    private func replay(_ frames: [[UInt8]], to mesh: inout VirtualMesh) {
        for (number, frame) in frames.enumerated() {
            mesh.handle(
                .gossip(from: mesh.nodes[2].id, GossipHead(counter: UInt64(10_000 + number), hops: 0), frame: frame),
                at: 0)
            mesh.handle(.message(from: mesh.nodes[2].id, ControlMessage.give(frames: [frame]).encoded), at: 0)
        }
    }

    @Test("An old announcement doesn't undo a withdrawal")
    func oldVersion() throws {
        var (mesh, frames) = try withdrawn()
        #expect(frames.count == 3 && mesh.view(of: 0).isEmpty)
        replay(frames, to: &mesh)
        #expect(mesh.view(of: 0).isEmpty)
    }

    @Test("Old frames don't bring back a peer that crashed or departed", arguments: [true, false])
    func deadPeer(hasDeparted: Bool) throws {
        var (mesh, frames) = try withdrawn()
        if hasDeparted { mesh.handle(.depart, at: 1) }
        mesh.run(for: second)
        mesh.crash(1)
        mesh.run(for: 20 * second)
        let dead = mesh.nodes[1].id
        for _ in 0..<4 {
            replay(frames, to: &mesh)
            #expect(!mesh.nodes[0].logic.mesh.knownPeers.contains(dead), "\(mesh.note)")
            mesh.run(for: 30 * second)
        }
    }

    @Test("A frame in another's name, or with anything changed, is refused and not passed on")
    func forgery() throws {
        var (mesh, frames) = try withdrawn()
        let honest = try SignedFrame(decoding: try #require(frames.last))
        let forged = SignedFrame(
            purpose: honest.purpose, author: honest.author, payload: honest.payload,
            signature: VirtualSigner("nobody").sign(honest.payload))
        mesh.nodes[0].changes.removeAll()
        mesh.handle(.gossip(from: mesh.nodes[2].id, GossipHead(counter: 9_999, hops: 0), frame: forged.encoded), at: 0)
        #expect(mesh.nodes[0].changes == [.refused(from: mesh.nodes[2].id, reason: .badSignature)])
        mesh.handle(.gossip(from: mesh.nodes[2].id, GossipHead(counter: 10_000, hops: 0), frame: [1, 2, 3]), at: 0)
        #expect(mesh.nodes[0].changes.last == .refused(from: mesh.nodes[2].id, reason: .malformed))
    }
}
