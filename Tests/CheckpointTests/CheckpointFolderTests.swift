import Checkpoint
import Digest
import Glibc
import Records
import Testing

@Suite("Opening a folder to serve it")
struct CheckpointFolderTests {
    private let folder: TemporaryFolder
    init() throws { folder = try TemporaryFolder() }

    private func open(_ name: String, as title: String? = nil) throws(CheckpointError) -> CheckpointFolder {
        try CheckpointFolder.open(path: "\(folder.path)/\(name)", name: title, chunkSize: SampleModel.chunkSize)
    }

    private func openError(_ name: String) -> CheckpointError? {
        do throws(CheckpointError) { _ = try open(name) } catch { return error }
        return nil
    }

    @Test("Every file is a storage in the order of the names' bytes, dot files and dot folders left out")
    func storages() throws {
        try SampleModel.write(to: folder)
        let opened = try open("model")
        #expect(opened.layout.storages.map(\.name) == SampleModel.names)
        for (index, storage) in opened.layout.storages.enumerated() {
            let bytes = try folder.read("model/\(storage.name)")
            #expect(storage.size == UInt64(bytes.count))
            #expect(TemporaryFolder.readAll(opened.readDescriptor(forStorage: index)) == bytes)
        }
        #expect(opened.model == "model")
        #expect(opened.revision == nil)
    }

    @Test("Tensors lie where the files have them, those of one byte and of none too")
    func tensors() throws {
        try SampleModel.write(to: folder)
        let opened = try open("model")
        #expect(opened.tensors.map(\.name) == ["a", "b", "none", "c"])
        #expect(opened.tensors.map(\.size) == [10_001, 1, 0, 5000])
        let last = try #require(opened.tensors.last)
        let bytes = try folder.read("model/model-00002-of-00002.safetensors")
        #expect(Array(bytes[Int(last.offset)...]) == SampleModel.bytes(5000, seed: 2))
        #expect(opened.layout.storages[Int(last.storage)].name == "model-00002-of-00002.safetensors")
    }

    @Test("One file is served like a folder of its own")
    func singleFile() throws {
        try SampleModel.write(to: folder)
        let opened = try open("model/model-00002-of-00002.safetensors")
        #expect(opened.layout.storages.map(\.name) == ["model-00002-of-00002.safetensors"])
        #expect(opened.model == "model-00002-of-00002")
        #expect(opened.tensors.map(\.name) == ["c"])
    }

    private func writeHub(revision: String = "0123abcd") throws -> String {
        let entry = "hub/models--org--some-name"
        try folder.write("\(entry)/blobs/aaaa", SampleModel.safetensors([("w", 9000)]))
        try folder.write("\(entry)/blobs/bbbb", Array("{}".utf8))
        try folder.link("\(entry)/snapshots/\(revision)/model.safetensors", to: "../../blobs/aaaa")
        try folder.link("\(entry)/snapshots/\(revision)/sub/config.json", to: "../../../blobs/bbbb")
        return "\(entry)/snapshots/\(revision)"
    }

    @Test("A Hugging Face snapshot is read through its links, and named as on the hub")
    func hub() throws {
        let opened = try open(writeHub())
        #expect(opened.layout.storages.map(\.name) == ["model.safetensors", "sub/config.json"])
        #expect(opened.tensors.map(\.name) == ["w"])
        #expect(opened.model == "org/some-name")
        #expect(opened.revision == "0123abcd")
    }

    @Test("A single file of a snapshot keeps its name and is read through its link")
    func hubFile() throws {
        let opened = try open("\(try writeHub())/model.safetensors")
        #expect(opened.layout.storages.map(\.name) == ["model.safetensors"])
        #expect(opened.model == "org/some-name")
    }

    @Test("A link to the folder itself may be named")
    func linkToFolder() throws {
        try folder.link("current", to: try writeHub())
        #expect(try open("current").model == "org/some-name")
    }

    @Test("A whole cache entry is refused, and its snapshots are named instead")
    func cacheEntry() throws {
        _ = try writeHub()
        let error = openError("hub/models--org--some-name")
        guard case .hubCacheEntry = error else { return #expect(error == nil, "another error") }
        #expect(error?.description.contains("models--org--some-name/snapshots") == true)
    }

    @Test(
        "A link out of the folder is refused with the link and its target",
        arguments: ["/etc/passwd", "../outside", "/etc"])
    func escapingLink(target: String) throws {
        try folder.write("outside", [1])
        try folder.write("model/a", [1])
        try folder.link("model/escape", to: target)
        let error = try #require(openError("model"))
        guard case .escapingLink(let link, _) = error else {
            Issue.record("\(error)")
            return
        }
        #expect(link == "\(folder.path)/model/escape")
        #expect(error.description.contains(target == "/etc" || target == "/etc/passwd" ? target : "/outside"))
    }

    @Test("A folder whose name begins like the given one is outside of it")
    func siblingPrefix() throws {
        try folder.write("model-secret/a", [1])
        try folder.link("model/escape", to: "../model-secret/a")
        guard case .escapingLink = openError("model") else {
            Issue.record("taken")
            return
        }
    }

    @Test("A link into another model's blobs is refused")
    func foreignBlobs() throws {
        let snapshot = try writeHub()
        try folder.write("hub/models--other--x/blobs/cccc", [1])
        try folder.link("\(snapshot)/foreign", to: "../../../models--other--x/blobs/cccc")
        guard case .escapingLink = openError(snapshot) else {
            Issue.record("taken")
            return
        }
    }

    @Test("Links inside the folder are followed, to files and to folders")
    func innerLinks() throws {
        try folder.write("model/real/a", [1, 2])
        try folder.link("model/alias", to: "real")
        try folder.link("model/b", to: "real/a")
        #expect(try open("model").layout.storages.map(\.name) == ["alias/a", "b", "real/a"])
    }

    @Test("Links that lead in circles end in an error", arguments: [".", "../model", "loop"])
    func loops(target: String) throws {
        try folder.write("model/a", [1])
        try folder.link("model/loop", to: target)
        guard case .linkLoop(let link) = openError("model") else {
            Issue.record("taken")
            return
        }
        #expect(link == "\(folder.path)/model/loop")
    }

    @Test("Two folders that link to each other end in an error")
    func mutualLoop() throws {
        try folder.link("model/a/to-b", to: "../b")
        try folder.link("model/b/to-a", to: "../a")
        guard case .linkLoop = openError("model") else {
            Issue.record("taken")
            return
        }
    }

    @Test("A link to nothing is refused with its target")
    func brokenLink() throws {
        try folder.link("model/gone", to: "nowhere")
        #expect(openError("model") == .brokenLink(link: "\(folder.path)/model/gone", target: "nowhere"))
    }

    @Test("What is no file is left out with a note")
    func specialFiles() throws {
        try folder.write("model/a", [1])
        try #require(mkfifo("\(folder.path)/model/pipe", 0o644) == 0)
        let opened = try open("model")
        #expect(opened.layout.storages.map(\.name) == ["a"])
        #expect(opened.notes == ["left out 'pipe': not a regular file"])
    }

    @Test("Names with control characters are refused by name, which can't touch the terminal")
    func controlCharacters() throws {
        try folder.write("model/a\u{1B}[31m", [1])
        let error = try #require(openError("model"))
        guard case .badName = error else {
            Issue.record("\(error)")
            return
        }
        #expect(error.description.contains(#"a\u{1B}[31m"#))
    }

    @Test("Names that only Unicode takes for equal are two files")
    func composedNames() throws {
        try folder.write("model/\u{E9}", [1])
        try folder.write("model/e\u{301}", [2, 2])
        #expect(try open("model").layout.storages.map(\.size) == [2, 1])
    }

    @Test("Nothing to serve is an error: no such folder, an empty one, one of dot files")
    func nothing() throws {
        #expect(openError("absent") == .notFound(path: "\(folder.path)/absent"))
        try folder.write("model/.only", [1])
        #expect(openError("model") == .noFiles(path: "\(folder.path)/model"))
    }

    private static let hostileFiles: [(String, [UInt8], String)] = [
        ("no bytes", [], "0 bytes"),
        ("2^63", [0, 0, 0, 0, 0, 0, 0, 0x80, 1, 2], "claims 9223372036854775808 bytes; the file has 10"),
        ("cut short", Array(SampleModel.safetensors([("first", 10), ("w", 100)]).dropLast(1)), "tensor 'w'"),
        (
            "overlap",
            SampleModel.file(
                json: """
                    {"a":{"dtype":"U8","shape":[4],"data_offsets":[0,4]},"w":{"dtype":"U8","shape":[4],"data_offsets":[2,6]}}
                    """, data: [0, 1, 2, 3, 4, 5]), "tensor 'w'"
        ),
        (
            "out of range",
            SampleModel.file(json: #"{"w":{"dtype":"U8","shape":[4],"data_offsets":[0,4]}}"#, data: [0]),
            "tensor 'w'"
        ),
        ("not JSON", SampleModel.file(json: "{]"), "not valid"),
    ]

    @Test("A damaged safetensors file is refused by its name and says what is wrong", arguments: hostileFiles)
    func hostile(what: String, bytes: [UInt8], expected: String) throws {
        try folder.write("model/bad.safetensors", bytes)
        let error = try #require(openError("model"))
        #expect(error.description.contains("bad.safetensors"), "\(what)")
        #expect(error.description.contains(expected), "\(what): \(error)")
    }

    @Test("A header of 10 MB is read")
    func largeHeader() throws {
        let json = #"{"__metadata__":{"note":""# + String(repeating: "x", count: 10_000_000) + "\"}}"
        try folder.write("model/m.safetensors", SampleModel.file(json: json))
        #expect(try open("model").layout.totalBytes == UInt64(json.utf8.count + 8))
    }

    @Test(
        "An index that names an absent file or tensor is refused with all three names",
        arguments: [
            (#"{"weight_map":{"c":"gone.safetensors"}}"#, "gone.safetensors"),
            (#"{"weight_map":{"d":"m.safetensors"}}"#, "'d'"),
            (#"{"weight_map":{"c":"../m.safetensors"}}"#, "../m.safetensors"),
            (#"{"weight_map":{"c":1}}"#, "byte 19"), (#"{"metadata":{}}"#, "weight_map is missing"),
            (#"{"weight_map":{}} x"#, "after the end"),
        ])
    func badIndex(index: String, expected: String) throws {
        try folder.write("model/sub/m.safetensors", SampleModel.safetensors([("c", 3)]))
        try folder.write("model/sub/m.safetensors.index.json", Array(index.utf8))
        let error = try #require(openError("model"))
        #expect(error.description.contains("m.safetensors.index.json"))
        #expect(error.description.contains(expected), "\(error)")
    }

    @Test("An index of another format may name files that are not there")
    func otherIndex() throws {
        try folder.write("model/pytorch_model.bin.index.json", Array(#"{"weight_map":{"c":"gone.bin"}}"#.utf8))
        #expect(throws: Never.self) { try open("model") }
    }

    @Test("A given name must be one", arguments: ["", "a\nb", String(repeating: "n", count: 1025)])
    func badTitle(title: String) throws {
        try folder.write("model/a", [1])
        do throws(CheckpointError) {
            _ = try open("model", as: title)
            Issue.record("taken")
        } catch { if case .badIdentity = error {} else { Issue.record("\(error)") } }
    }
}
