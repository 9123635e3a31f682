import Digest
import Mesh
import PeerLogic
import Records
import Testing
import Transfer

private let second = Duration64.second
private let millisecond = Duration64.millisecond

@Suite("A pull from its search to its seal")
struct PullTests {
    /// `count` peers that know each other; the first `sources` of them serve org/a with `chunks`.
    private func mesh(
        _ count: Int, sources: Int = 1, chunks: Int = 40, seed: UInt64 = 30,
        settings: VirtualMesh.Settings = VirtualMesh.Settings()
    ) throws -> VirtualMesh {
        var mesh = VirtualMesh(seed: seed, settings: settings)
        try mesh.startMany(count)
        for node in 0..<sources { mesh.serve(try VirtualContent.manifest(model: "org/a", chunks: chunks), at: node) }
        mesh.run(for: 3 * second)
        return mesh
    }

    @Test("What one peer serves another one gets, whole, and serves it on")
    func serveAndPull() throws {
        var mesh = try mesh(3)
        let pull = mesh.pull("org/a", at: 1)
        #expect(mesh.run(for: 5 * second) { $0.nodes[1].isComplete(pull) })
        let report = try #require(mesh.nodes[1].report(of: pull))
        #expect(report.chunks == 40 && report.chunksVerified == 40 && report.totalBytes == 40 * 4096)
        #expect(report.sources.map(\.peer) == [mesh.nodes[0].id] && report.sources.first?.bytes == 40 * 4096)
        #expect(mesh.nodes[1].logic.traffic.received == 40 * 4096 && mesh.nodes[0].logic.traffic.served == 40 * 4096)
        // The lease is back, and the target is a source that outlives the first.
        mesh.run(for: second)
        #expect(mesh.nodes[0].leases.isEmpty && mesh.nodes[0].logic.slotsInUse == 0 && mesh.lanes.isEmpty)
        #expect(mesh.view(of: 2).count == 2)
        mesh.handle(.depart, at: 0)
        mesh.crash(0)
        mesh.run(for: second)
        let next = mesh.pull("org/a", at: 2)
        #expect(mesh.run(for: 5 * second) { $0.nodes[2].isComplete(next) })
    }

    @Test("A target says that it is there before it has a chunk, and is no source when its own source goes then")
    func earlyAnnouncement() throws {
        var settings = VirtualMesh.Settings()
        settings.chunkTime = 50 * millisecond
        var mesh = try mesh(3, chunks: 400, settings: settings)
        let pull = mesh.pull("org/a", at: 1)
        #expect(
            mesh.run(for: 5 * second) { $0.nodes[1].logic.offerViews.first?.have == 0 && $0.view(of: 2).count == 2 })
        mesh.handle(.depart, at: 0)
        mesh.crash(0)
        mesh.run(for: second)
        #expect(mesh.view(of: 2).count == 1 && !mesh.nodes[1].isComplete(pull))
        let next = mesh.pull("org/a", at: 2)
        mesh.run(for: 10 * second)
        guard case .notFound? = mesh.nodes[2].failure(of: next) else {
            Issue.record("\(String(describing: mesh.nodes[2].failure(of: next)))")
            return
        }
        // Who waited in vain takes back what it said.
        mesh.run(for: 60 * second)
        #expect(mesh.nodes[1].failure(of: pull) != nil && mesh.view(of: 2).isEmpty)
    }

    @Test("The notices of a pull come in order")
    func notices() throws {
        var mesh = try mesh(2, chunks: 3)
        let pull = mesh.pull("org/a", at: 1)
        mesh.run(for: 3 * second)
        let words = (mesh.nodes[1].notices[pull] ?? []).map { "\($0)".prefix { $0 != "(" } }
        #expect(words == ["searching", "found", "source", "progress", "progress", "progress", "complete"])
    }

    @Test("The only source may miss one request for its manifest, and is asked again")
    func lostRequest() throws {
        var mesh = try mesh(2)
        mesh.cut(0, 1)
        let pull = mesh.pull("org/a", at: 1)
        mesh.run(for: 2500 * Duration64.millisecond)
        #expect(!mesh.nodes[1].isComplete(pull))
        mesh.cuts.removeAll()
        #expect(mesh.run(for: 10 * second) { $0.nodes[1].isComplete(pull) })
    }

    @Test("A pull that finds everything an earlier pull left completes without a read")
    func resumedWhole() throws {
        var mesh = VirtualMesh(seed: 33)
        try mesh.startMany(2)
        let manifest = mesh.serve(try VirtualContent.manifest(model: "org/a", chunks: 40), at: 0)
        mesh.run(for: 2 * second)
        mesh.nodes[1].resumes[manifest] = ChunkSet(chunkCount: 40, full: true)
        let pull = mesh.pull("org/a", at: 1)
        #expect(mesh.run(for: 5 * second) { $0.nodes[1].isComplete(pull) })
        #expect(mesh.nodes[1].report(of: pull)?.sources.isEmpty == true && mesh.nodes[1].logic.traffic.received == 0)
    }

    @Test("A manifest of many pages comes whole")
    func manyPages() throws {
        var mesh = VirtualMesh(seed: 31)
        try mesh.startMany(2)
        let layout = try Layout(storages: [Storage(name: "a", size: 10_000)], chunkSize: 4096)
        let tensors = (0..<8_000).map { number in
            Tensor(
                name: "model.layers.\(number).self_attn.weight", dtype: "BF16", shape: [1, 1], storage: 0,
                offset: UInt64(number), size: 1)
        }
        let manifest = try Manifest(
            identity: SourceIdentity(model: "org/big", revision: "r", stage: .files), rank: 0, layout: layout,
            tensors: tensors, digests: (0..<3).map { ChunkDigests(crc32c: $0, strong: .zero) })
        #expect(manifest.encoded.count > 2 * WireLimits.manifestPage)
        mesh.serve(manifest, at: 0)
        mesh.run(for: 2 * second)
        let pull = mesh.pull("org/big", at: 1)
        #expect(mesh.run(for: 5 * second) { $0.nodes[1].isComplete(pull) })
    }

    @Test("Three targets of a source with two slots all complete, the third by way of the others")
    func relays() throws {
        var mesh = try mesh(4, chunks: 100)
        let pulls = (1...3).map { mesh.pull("org/a", at: $0) }
        #expect(mesh.run(for: 20 * second) { mesh in (1...3).allSatisfy { mesh.nodes[$0].isComplete(pulls[$0 - 1]) } })
        let origin = mesh.nodes[0].id
        let relayed = try (1...3).map { node in
            try #require(mesh.nodes[node].report(of: pulls[node - 1])).sources.filter { $0.peer != origin }
                .reduce(0) { $0 + $1.chunks }
        }
        #expect(relayed.contains { $0 > 0 })
        #expect(mesh.nodes[0].logic.traffic.served < 300 * 4096)
        mesh.run(for: second)
        #expect(mesh.nodes.allSatisfy { $0.leases.isEmpty } && mesh.lanes.isEmpty)
    }

    @Test("When a source is killed in mid-pull another one brings the rest", arguments: [true, false])
    func killedSource(isNoticed: Bool) throws {
        var mesh = try mesh(3, sources: 2, chunks: 60)
        let pull = mesh.pull("org/a", at: 2)
        #expect(mesh.run(for: second) { $0.lanes.count == 2 && $0.nodes[2].logic.traffic.received > 10 * 4096 })
        mesh.crash(0, isNoticed: isNoticed)
        #expect(mesh.run(for: 5 * second) { $0.nodes[2].isComplete(pull) })
        let tallies = try #require(mesh.nodes[2].report(of: pull)).sources
        #expect(tallies.reduce(0) { $0 + $1.chunks } == 60 && tallies.count == 2)
    }

    @Test("A source that departs drains: its readers finish elsewhere")
    func departingSource() throws {
        var mesh = try mesh(3, sources: 2, chunks: 60)
        let pull = mesh.pull("org/a", at: 2)
        #expect(mesh.run(for: second) { $0.lanes.count == 2 })
        mesh.handle(.depart, at: 0)
        #expect(mesh.run(for: 3 * second) { $0.nodes[2].isComplete(pull) })
        mesh.run(for: 3 * second)
        #expect(mesh.nodes[0].leases.isEmpty && mesh.nodes[0].logic.slotsInUse == 0)
    }

    @Test("A model that nobody has is not found, and what there is is named")
    func notFound() throws {
        var mesh = try mesh(3)
        let pull = mesh.pull("org/other", at: 1)
        mesh.run(for: 10 * second)
        #expect(mesh.nodes[1].failure(of: pull) == .notFound(model: "org/other", similar: ["org/a"]))
    }

    @Test("A pull that may wait gets what is served later")
    func waiting() throws {
        var mesh = try mesh(2, sources: 0)
        let pull = mesh.pull("org/a", at: 1, wait: 60 * second)
        mesh.run(for: 30 * second)
        #expect(mesh.nodes[1].outcome(of: pull) == nil)
        mesh.serve(try VirtualContent.manifest(model: "org/a", chunks: 4), at: 0)
        #expect(mesh.run(for: second) { $0.nodes[1].isComplete(pull) })
        let other = mesh.pull("org/b", at: 1, number: 2, wait: 5 * second)
        #expect(!mesh.run(for: 5 * second - 1) { $0.nodes[1].outcome(of: other) != nil })
        #expect(mesh.run(for: 1) { $0.nodes[1].outcome(of: other) != nil })
    }

    @Test("Without any peer the pull says whom it asked")
    func unreachable() throws {
        var mesh = VirtualMesh(seed: 32)
        try mesh.start(seeds: ["nowhere:8002"])
        let pull = mesh.pull("org/a", at: 0)
        mesh.run(for: 20 * second)
        #expect(
            mesh.nodes[0].failure(of: pull)
                == .unreachable(seeds: ["nowhere:8002"], reason: "nowhere:8002: no answer"))
    }

    @Test("Two pulls of one peer from one source don't take each other's answers")
    func twoPulls() throws {
        var mesh = try mesh(2)
        mesh.serve(try VirtualContent.manifest(model: "org/b", chunks: 50), at: 0)
        mesh.run(for: second)
        let pulls = [mesh.pull("org/a", at: 1), mesh.pull("org/b", at: 1, number: 2)]
        #expect(mesh.run(for: 3 * second) { mesh in pulls.allSatisfy { mesh.nodes[1].isComplete($0) } })
        #expect(mesh.nodes[1].report(of: pulls[0])?.chunks == 40 && mesh.nodes[1].report(of: pulls[1])?.chunks == 50)
        for pull in pulls {
            #expect(mesh.nodes[1].report(of: pull)?.sources.allSatisfy { $0.failures == 0 && $0.note.isEmpty } == true)
        }
        mesh.run(for: second)
        #expect(mesh.nodes[0].leases.isEmpty)
    }

    @Test("A pull that is cancelled gives its lease back and takes its offer with it")
    func cancel() throws {
        var mesh = try mesh(3, chunks: 200)
        let pull = mesh.pull("org/a", at: 1)
        #expect(mesh.run(for: 2 * second) { $0.view(of: 2).count == 2 })
        mesh.handle(.cancel(pull), at: 1)
        mesh.run(for: 100 * millisecond)
        #expect(mesh.nodes[1].failure(of: pull) == .cancelled)
        #expect(mesh.nodes[0].leases.isEmpty && mesh.lanes.isEmpty && mesh.view(of: 2).count == 1)
        #expect(mesh.nodes[1].logic.offerViews.isEmpty)
    }

    @Test("A grant that comes after its pull was cancelled is given back at once")
    func lateGrant() throws {
        for delay in UInt64(1)...12 {
            var mesh = try mesh(2, seed: 33 + delay)
            let pull = mesh.pull("org/a", at: 1)
            mesh.run(for: delay * 10 * millisecond)
            mesh.handle(.cancel(pull), at: 1)
            mesh.run(for: 200 * millisecond)
            #expect(mesh.nodes[0].leases.isEmpty && mesh.lanes.isEmpty, "cancelled after \(delay)0 ms, \(mesh.note)")
        }
    }

    @Test("A seal that fails takes the offer back, a destination that fails never makes one")
    func failures() throws {
        var mesh = try mesh(3)
        let pull = mesh.pull("org/a", at: 1)
        #expect(mesh.run(for: 5 * second) { $0.nodes[1].content.values.contains(where: \.isFull) })
        mesh.handle(.sealFailed(pull, "no space left"), at: 1)
        mesh.run(for: 100 * millisecond)
        #expect(mesh.nodes[1].failure(of: pull) == .destination("no space left"))
        #expect(mesh.view(of: 2).count == 1 && mesh.nodes[0].leases.isEmpty)
        let other = mesh.pull("org/a", at: 2)
        #expect(mesh.run(for: second) { !$0.nodes[2].content.isEmpty })
        mesh.handle(.destinationFailed(other, "read-only"), at: 2)
        mesh.run(for: second)
        #expect(mesh.nodes[2].failure(of: other) == .destination("read-only") && mesh.view(of: 0).count == 1)
    }

    @Test("A target that departs in mid-pull finishes it and doesn't spin")
    func departingTarget() throws {
        var mesh = try mesh(2, chunks: 400)
        let pull = mesh.pull("org/a", at: 1)
        #expect(mesh.run(for: second) { $0.nodes[1].logic.traffic.received > 100 * 4096 })
        mesh.handle(.depart, at: 1)
        let before = mesh.ticks
        mesh.run(for: 3 * second)
        #expect(mesh.ticks - before < 4_000)
        #expect(mesh.nodes[1].outcome(of: pull) != nil || mesh.nodes[1].logic.traffic.received > 100 * 4096)
    }

    @Test("A pull resumes with the chunks that its destination has")
    func resume() throws {
        var mesh = try mesh(2)
        let id = try #require(mesh.nodes[0].content.keys.first)
        var have = ChunkSet(chunkCount: 40)
        for chunk in 0..<25 { have.insert(chunk) }
        mesh.nodes[1].resumes[id] = have
        let pull = mesh.pull("org/a", at: 1)
        #expect(mesh.run(for: 3 * second) { $0.nodes[1].isComplete(pull) })
        #expect(mesh.nodes[1].notices[pull]?.contains(.resumed(chunks: 25)) == true)
        #expect(mesh.nodes[1].logic.traffic.received == 15 * 4096)
    }

    @Test("Content of no bytes completes")
    func noBytes() throws {
        var mesh = try mesh(2, chunks: 0)
        let pull = mesh.pull("org/a", at: 1)
        #expect(mesh.run(for: 3 * second) { $0.nodes[1].isComplete(pull) })
    }

    @Test("In a mesh where few are neighbours a source far away is reached all the same")
    func farSource() throws {
        var settings = VirtualMesh.Settings()
        settings.mesh.directPeers = 3
        settings.mesh.neighbours = 3
        var mesh = try mesh(12, sources: 0, settings: settings)
        mesh.serve(try VirtualContent.manifest(model: "org/a", chunks: 8), at: 11)
        #expect(mesh.run(for: 10 * second) { mesh in mesh.nodes.allSatisfy { mesh.view(of: $0.index).count == 1 } })
        #expect(mesh.nodes.contains { $0.index != 11 && !$0.logic.mesh.hasEdge(to: mesh.nodes[11].id) })
        for node in 0..<11 {
            let pull = mesh.pull("org/a", at: node)
            #expect(mesh.run(for: 5 * second) { $0.nodes[node].isComplete(pull) }, "node \(node), \(mesh.note)")
        }
    }

    @Test("A reader that crashes gives its slot up when its lease is over")
    func crashedReader() throws {
        var mesh = try mesh(2, chunks: 400)
        _ = mesh.pull("org/a", at: 1)
        #expect(mesh.run(for: second) { $0.lanes.count == 1 })
        mesh.crash(1)
        #expect(mesh.run(for: 13 * second) { $0.nodes[0].leases.isEmpty && $0.nodes[0].logic.slotsInUse == 0 })
    }

    @Test("A crowd of targets completes though there is one source of two slots", arguments: [1, 2])
    func crowd(seed: UInt64) throws {
        var mesh = try mesh(10, chunks: 40, seed: seed)
        let pulls = (1..<10).map { mesh.pull("org/a", at: $0) }
        #expect(
            mesh.run(for: 60 * second) { mesh in (1..<10).allSatisfy { mesh.nodes[$0].isComplete(pulls[$0 - 1]) } },
            "\(mesh.note)")
        mesh.run(for: second)
        #expect(mesh.nodes.allSatisfy { $0.leases.isEmpty } && mesh.lanes.isEmpty, "\(mesh.note)")
    }
}
