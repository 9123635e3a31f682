import Records
import Testing

@testable import Mesh

private let epoch = MeshPeer.epoch

@Suite("Hostile words about the view")
struct ViewConductTests {
    private var peer: MeshPeer
    private let crowd = (0..<30).map { ToyOwner("peer \($0)") }
    private let hostile = ToyOwner("hostile")

    /// A peer of a mesh too large for everybody to hear everybody, that knows thirty others.
    init() {
        var configuration = MeshConfiguration()
        configuration.directPeers = 1
        peer = MeshPeer("local", configuration: configuration)
        for owner in crowd { _ = peer.handle(.restored([owner.record(at: epoch, term: 60_000)])) }
        greet(hostile)
    }

    private mutating func greet(_ owner: ToyOwner) {
        let record = owner.record(at: peer.now.wall, term: 60_000)
        _ = peer.handle(.hello(curveKey: owner.curveKey, record: record))
        _ = peer.handle(.message(from: owner.id, .welcome(record: record)))
    }

    /// Answers what the peer asks of the crowd: each one greets and accepts. Gives whom it asked.
    @discardableResult
    private mutating func answer(_ effects: [MeshEffect]) -> [PeerID] {
        var (waiting, asked) = (effects, [PeerID]())
        while let effect = waiting.first {
            waiting.removeFirst()
            guard case .send(let id, let message) = effect, let owner = crowd.first(where: { $0.id == id }) else {
                continue
            }
            switch message {
            case .hello:
                let record = owner.record(at: epoch, term: 60_000)
                waiting += peer.handle(.message(from: id, .welcome(record: record)))
            case .neighbourRequest:
                asked.append(id)
                waiting += peer.handle(.message(from: id, .neighbourAnswer(isAccepted: true)))
            default: break
            }
        }
        return asked
    }

    private mutating func settle() {
        for _ in 0..<6 {
            peer.wait(milliseconds: 500)
            answer(peer.handle(.tick))
        }
    }

    private var chosen: [PeerID] { peer.mesh.neighbours.filter { peer.mesh.edges[$0]?.isChosen == true } }

    private func connects(_ effects: [MeshEffect]) -> Int {
        effects.count { if case .connect = $0 { true } else { false } }
    }

    @Test("Only a neighbour's word about its successor counts, and few are asked at once")
    mutating func successors() {
        var opened = 0
        for owner in crowd {
            opened += connects(peer.handle(.message(from: hostile.id, .neighbourEnd(successor: owner.id))))
        }
        #expect(opened <= peer.mesh.configuration.asksAtOnce)
        for owner in crowd {
            _ = peer.handle(.message(from: hostile.id, .neighbourRequest(isShort: true)))
            _ = peer.handle(.message(from: hostile.id, .neighbourEnd(successor: owner.id)))
        }
        let asked = peer.mesh.edges.values.count { $0.isAsked }
        #expect(asked <= peer.mesh.configuration.asksAtOnce)
        #expect(peer.mesh.edges.count <= 2 * peer.mesh.configuration.asksAtOnce)
    }

    @Test("A successor that others named is not counted as this peer's own choice")
    mutating func successorIsNoChoice() {
        settle()
        let before = Set(chosen)
        while peer.mesh.neighbours.count > 5, let spare = peer.mesh.neighbours.last {
            _ = peer.handle(.message(from: spare, .neighbourEnd(successor: nil)))
        }
        guard let leaving = peer.mesh.neighbours.first,
            let successor = crowd.first(where: { !peer.mesh.hasEdge(to: $0.id) })
        else { return }
        answer(peer.handle(.message(from: leaving, .neighbourEnd(successor: successor.id))))
        #expect(peer.mesh.isNeighbour(successor.id))
        #expect(!chosen.contains(successor.id) && !before.isEmpty)
    }

    @Test("Who fills a view from outside leaves the neighbours that the peer chose, and it goes on choosing")
    mutating func fillers() {
        settle()
        for number in 0..<30 {
            let filler = ToyOwner("filler \(number)")
            greet(filler)
            _ = peer.handle(.message(from: filler.id, .neighbourRequest(isShort: true)))
        }
        #expect(chosen.count >= peer.mesh.presentPreset.chosen)
        // The chosen ones were talked out of it by the same crowd.
        for id in chosen { _ = peer.handle(.message(from: id, .neighbourEnd(successor: nil))) }
        settle()
        #expect(chosen.count >= peer.mesh.presentPreset.chosen)
        #expect(peer.mesh.neighbours.count <= peer.mesh.presentPreset.degree + 1)
    }

    @Test("Who asks and leaves again and again costs the peer no neighbours")
    mutating func leaver() {
        settle()
        var ended = 0
        for _ in 0..<50 {
            for message in [ControlMessage.neighbourRequest(isShort: true), .neighbourEnd(successor: nil)] {
                for case .send(let to, .neighbourEnd) in peer.handle(.message(from: hostile.id, message))
                where to != hostile.id { ended += 1 }
            }
        }
        #expect(ended <= 1)
    }

    @Test("Who refuses is not asked again for a while")
    mutating func refusal() {
        var configuration = peer.mesh.configuration
        configuration.directPeers = 1
        peer = MeshPeer("local", configuration: configuration)
        greet(hostile)
        var asked = 0
        for _ in 0..<20 {
            peer.wait(milliseconds: 200)
            for case .send(hostile.id, .neighbourRequest) in peer.handle(.tick) {
                asked += 1
                _ = peer.handle(.message(from: hostile.id, .neighbourAnswer(isAccepted: false)))
            }
        }
        #expect(asked <= 1)
    }

    @Test("An answer that nobody asked for makes no neighbour")
    mutating func unaskedAnswer() {
        let effects = peer.handle(.message(from: hostile.id, .neighbourAnswer(isAccepted: true)))
        if !effects.contains(.send(to: hostile.id, .neighbourEnd(successor: nil))) {
            #expect(peer.mesh.edges[hostile.id]?.isAsked == true, "only when this peer did ask")
        }
    }

    @Test("A peer that greets long after its term is asked at once for the beacon that renews it")
    mutating func lateGreeting() {
        let late = ToyOwner("late")
        let record = late.record(at: epoch - 100_000)
        let effects = peer.handle(.hello(curveKey: late.curveKey, record: record))
        #expect(effects.contains(.send(to: late.id, .want(records: [RecordKeys.peer(late.id)]))))
    }
}
