import Mesh
import PeerLogic
import Records
import Testing

private let second = Duration64.second

@Suite("Peers that find each other")
struct MembershipTests {
    @Test("Ten peers that know one address all know each other within seconds")
    func convergence() throws {
        var mesh = VirtualMesh(seed: 1)
        try mesh.startMany(10)
        #expect(mesh.run(for: 5 * second) { $0.agrees && $0.nodes.allSatisfy { $0.logic.mesh.neighbourCount == 9 } })
        mesh.run(for: 30 * second)
        #expect(mesh.agrees && mesh.nodes.allSatisfy { $0.logic.mesh.neighbourCount == 9 })
    }
}
