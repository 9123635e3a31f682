import Digest
import Mesh
import Records
import Testing

@Suite("Offers that were withdrawn")
struct WithdrawnOffersTests {
    @Test("An owner that withdraws more offers than it may hold records goes on being heard")
    func manyWithdrawn() {
        var configuration = MeshConfiguration()
        configuration.recordsPerPeer = 16
        var owner = MeshPeer("owner", configuration: configuration)
        var receiver = ToyReceiver("local", configuration: configuration)
        var told: [MeshEffect] = []
        owner.meet(ToyOwner("first listener"))
        receiver.take([owner.ownFrame], by: .gift)
        for step in 0..<60 {
            for (model, state) in [
                ("kept", AnnouncementState.live), ("step \(step)", .live), ("step \(step)", .tombstone),
            ] {
                guard model != "kept" || step == 0 else { continue }
                let offer = OwnOffer(
                    identity: SourceIdentity(model: model, revision: "r", stage: .files), rank: 0, state: state,
                    manifest: ManifestID(.zero), introduction: nil, coverageEighths: 8, totalBytes: 1, lanes: [.tcp],
                    slots: 2)
                told += owner.mesh.announce(offer, now: owner.now, authority: &owner.authority)
            }
            owner.wait(milliseconds: 1_000)
            receiver.peer.wait(milliseconds: 1_000)
            owner.meet(ToyOwner("listener \(step)"))
            told += owner.handle(.tick)
            receiver.meetCourier()
            _ = receiver.peer.handle(.tick)
            var frames: [[UInt8]] = []
            for case .publish(_, _, let frame) in told { frames.append(frame) }
            receiver.take(frames, by: .gift)
            told = []
        }
        #expect(owner.models == ["kept"] && receiver.peer.models == ["kept"])
        #expect(receiver.reversals.isEmpty)
    }
}
