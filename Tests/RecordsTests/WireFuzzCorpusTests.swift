import FuzzRecords
import Testing

@Suite("Every decoder of foreign bytes, over the fuzzing corpus")
struct WireFuzzCorpusTests {
    /// Tests/Fuzzing, beside this file's folder.
    private static let folder: String = {
        let here = #filePath.split(separator: "/", omittingEmptySubsequences: false)
        return here.dropLast(2).joined(separator: "/") + "/Fuzzing"
    }()

    private static func inputs(_ kind: String, _ target: String) -> [(path: String, bytes: [UInt8])] {
        let folder = "\(Self.folder)/\(kind)/\(target)"
        return FuzzFiles.list(folder).compactMap { name in
            FuzzFiles.read("\(folder)/\(name)").map { ("\(kind)/\(target)/\(name)", $0) }
        }
    }

    @Test("No input of the corpus breaks its decoder", arguments: FuzzTarget.all.map(\.name))
    func corpusHolds(name: String) throws {
        let target = try #require(FuzzTarget.named(name))
        let inputs = Self.inputs("corpus", name)
        #expect(inputs.count >= 5)
        for input in inputs {
            let verdict = target.check(input.bytes)
            if case .broken(let reason) = verdict { Issue.record("\(input.path): \(reason)") }
            if input.path.contains("/valid-") { #expect(verdict == .accepted, "\(input.path)") }
            if name == "safetensors", !input.path.contains("/valid-") { #expect(verdict != .accepted, "\(input.path)") }
        }
    }

    @Test("No input that once broke a decoder breaks it again", arguments: FuzzTarget.all.map(\.name))
    func failuresStayMended(name: String) throws {
        let target = try #require(FuzzTarget.named(name))
        for input in Self.inputs("failures", name) {
            if case .broken(let reason) = target.check(input.bytes) { Issue.record("\(input.path): \(reason)") }
        }
    }

    /// Releases whose records must still be read.
    private static let releases = ["0.1.0"]

    @Test(
        "What a release wrote is still read, and written again to the byte", arguments: releases,
        FuzzTarget.all.map(\.name).filter { $0 != "safetensors" })
    func recordedIsRead(release: String, name: String) throws {
        let target = try #require(FuzzTarget.named(name))
        let inputs = Self.inputs("recorded/\(release)", name)
        #expect(!inputs.isEmpty)
        for input in inputs { #expect(target.check(input.bytes) == .accepted, "\(input.path)") }
    }

    @Test("The corpus in the repository is what the seeds make", arguments: FuzzTarget.all.map(\.name))
    func corpusIsCurrent(name: String) throws {
        let target = try #require(FuzzTarget.named(name))
        let seeds = FuzzSeeds.seeds(for: target)
        #expect(!seeds.isEmpty)
        for seed in seeds {
            let committed = FuzzFiles.read("\(Self.folder)/corpus/\(name)/\(seed.name)")
            #expect(
                committed == seed.bytes, "run FuzzRecords --make-corpus Tests/Fuzzing/corpus for \(name)/\(seed.name)")
        }
    }

    @Test(
        "A record cut short anywhere is refused", arguments: FuzzTarget.all.map(\.name).filter { $0 != "safetensors" })
    func everyPrefixIsRefused(name: String) throws {
        let target = try #require(FuzzTarget.named(name))
        for seed in FuzzSeeds.seeds(for: target) where seed.name.hasPrefix("valid-") {
            for count in 0..<seed.bytes.count {
                let verdict = target.check(Array(seed.bytes.prefix(count)))
                guard case .refused = verdict else {
                    Issue.record("\(seed.name) cut to \(count) bytes is \(verdict)")
                    break
                }
            }
        }
    }
}
