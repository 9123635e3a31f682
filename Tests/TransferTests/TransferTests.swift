import Digest
import Records
import Testing
import Transfer

@Suite("Which manifest, and how it is put together")
struct ManifestChoiceTests {
    private func candidate(_ number: UInt8, complete: Int, partial: Int = 0) -> ManifestCandidate {
        ManifestCandidate(
            manifest: id(number), identity: SourceIdentity(model: "m", revision: "r", stage: .files),
            completeCopies: complete, partialCopies: partial)
    }

    private func id(_ number: UInt8) -> ManifestID {
        ManifestID(Digest256([UInt8](repeating: number, count: 32)) ?? .zero)
    }

    @Test("The manifest with most complete copies is chosen, then the lowest id")
    func order() {
        let candidates = [
            candidate(5, complete: 1), candidate(4, complete: 0, partial: 9), candidate(3, complete: 2),
            candidate(2, complete: 2), candidate(1, complete: 0),
        ]
        for rotation in candidates.indices {
            let rotated = Array(candidates[rotation...] + candidates[..<rotation])
            #expect(ManifestChoice.order(rotated).map(\.manifest) == [2, 3, 5, 4, 1].map(id))
        }
    }

    @Test("Only live announcements of the model, rank, stage, revision and manifest match")
    func matching() {
        func announcement(
            model: String = "m", revision: String = "r", stage: Stage = .files, rank: UInt32 = 0,
            state: AnnouncementState = .live, manifest: ManifestID?
        ) -> Announcement {
            Announcement(
                version: Version(incarnation: 1, sequence: 1), validity: Validity(issuedAt: 0, term: 1),
                identity: SourceIdentity(model: model, revision: revision, stage: stage), rank: rank, state: state,
                manifest: manifest, introduction: nil, coverageEighths: 8, totalBytes: 0, lanes: [], slots: 0,
                deviceKind: "")
        }
        let wanted = WantedModel(model: "m")
        #expect(wanted.matches(announcement(manifest: id(1))))
        #expect(!wanted.matches(announcement(manifest: nil)))
        #expect(!wanted.matches(announcement(model: "n", manifest: id(1))))
        #expect(!wanted.matches(announcement(stage: .loaded, manifest: id(1))))
        #expect(!wanted.matches(announcement(rank: 1, manifest: id(1))))
        for state in AnnouncementState.allCases where state != .live {
            #expect(!wanted.matches(announcement(state: state, manifest: id(1))))
        }
        #expect(!WantedModel(model: "m", revision: "s").matches(announcement(manifest: id(1))))
        #expect(WantedModel(model: "m", revision: "r").matches(announcement(manifest: id(1))))
        #expect(!WantedModel(model: "m", manifest: id(2)).matches(announcement(manifest: id(1))))
    }

    @Test("Pages in order become the manifest; anything else is refused")
    func assembly() {
        let page = WireLimits.manifestPage
        let content = (0..<page + 5).map { UInt8(truncatingIfNeeded: $0) }
        let total = UInt64(content.count)
        var assembly = ManifestAssembly(manifest: id(1))
        guard case .incomplete = assembly.add(total: total, offset: 0, bytes: Array(content[..<page]), proof: nil)
        else {
            Issue.record("the first page")
            return
        }
        let next = UInt64(page)
        #expect(assembly.nextOffset == next)
        for (total, offset, bytes) in [
            (total, 0, [1]), (total, next + 1, [1]), (total + 1, next, [1]), (total, next, []),
            (total, next, [1, 2, 3, 4, 5, 6]), (total, next, [1, 2]),
        ] as [(UInt64, UInt64, [UInt8])] {
            var copy = assembly
            guard
                case .refused(.malformed(field: "manifest page")) = copy.add(
                    total: total, offset: offset, bytes: bytes, proof: nil)
            else {
                Issue.record("\(total) \(offset) \(bytes)")
                continue
            }
        }
        guard
            case .complete(content) = assembly.add(
                total: total, offset: next, bytes: Array(content[page...]), proof: nil)
        else {
            Issue.record("the last page")
            return
        }
    }

    @Test("A manifest that claims to be larger than any may be is refused at its first page")
    func tooLarge() {
        var assembly = ManifestAssembly(manifest: id(1))
        let total = UInt64(ManifestLimits.encodedSize) + 1
        guard case .refused(.tooLarge) = assembly.add(total: total, offset: 0, bytes: [1], proof: nil) else {
            Issue.record("taken")
            return
        }
    }
}
