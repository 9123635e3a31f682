import Digest
import FoundationEssentials
import Records
import Testing

@testable import EngineBridge

@Suite("What a worker says of its weights")
struct EngineDescriptionTests {
    private func table(
        stage: String = "loaded", storages: String = #"[["a.w",48],["b",0],["c",100]]"#,
        tensors: String =
            #"[["a.t","float32",[3,4],[1,3],0,0,48],["a.w","float32",[4,3],[3,1],0,0,48],["b","int8",[0,8],[8,1],1,0,0]]"#
    ) throws -> EngineTable {
        let text = """
            {"identity":{"model":"m","revision":"r","stage":"\(stage)","dtype":"float32","quantisation":"",
            "tensor_parallel":2,"pipeline_parallel":1,"expert_parallel":1},"rank":1,"mayShare":true,"mayLoad":false,
            "alignment":64,"storages":\(storages),"tensors":\(tensors)}
            """
        return try JSONDecoder().decode(EngineTable.self, from: Data(text.utf8))
    }

    private func description(_ table: EngineTable) throws(EngineError) -> EngineDescription {
        try EngineDescription(table, record: "")
    }

    private func manifest(_ description: EngineDescription, tensors: [Tensor]? = nil) throws -> Manifest {
        try Manifest(
            identity: description.identity, rank: description.rank, layout: description.layout,
            tensors: tensors ?? description.tensors,
            digests: (0..<description.layout.chunkCount).map { _ in ChunkDigests(crc32c: 0, strong: .zero) })
    }

    @Test("A description becomes a layout, tensors and an identity")
    func whole() throws {
        let description = try description(table())
        #expect(description.layout.storages.map(\.size) == [48, 0, 100] && description.layout.totalBytes == 148)
        #expect(description.identity.tensorParallel == 2 && description.rank == 1 && !description.mayLoad)
        #expect(description.tensors.map(\.strides) == [[1, 3], [], []])
        #expect(try description.differences(from: manifest(description)).isEmpty)
    }

    @Test("Strides of rows one after the other are none, whatever that of a single row says")
    func contiguous() {
        #expect(EngineDescription.isContiguous([2, 3, 4], [12, 4, 1]))
        #expect(EngineDescription.isContiguous([1, 5], [77, 1]) && EngineDescription.isContiguous([], []))
        #expect(EngineDescription.isContiguous([0, 5], [9, 9]))
        #expect(!EngineDescription.isContiguous([2, 3], [1, 2]) && !EngineDescription.isContiguous([4, 4], [8, 1]))
    }

    @Test(
        "What makes no sense is refused",
        arguments: [
            ("files", nil, nil), ("loaded", #"[["b",1],["a",1]]"#, "[]"), ("loaded", #"[["a",1],["a",1]]"#, "[]"),
            ("loaded", #"[["a",18446744073709551615],["b",2]]"#, "[]"),
            ("loaded", #"[["a",4]]"#, #"[["a","float32",[2],[1],0,0,8]]"#),
            ("loaded", #"[["a",4]]"#, #"[["a","float32",[1],[1],1,0,4]]"#),
            ("loaded", #"[["a",4]]"#, #"[["a","float32",[1],[1],0,18446744073709551615,4]]"#),
            ("loaded", #"[["a",4]]"#, #"[["a","float32",[1],[],0,0,4]]"#),
        ] as [(String, String?, String?)])
    func refused(stage: String, storages: String?, tensors: String?) throws {
        let table = try table(stage: stage, storages: storages ?? "[]", tensors: tensors ?? "[]")
        #expect(throws: EngineError.self) { try description(table) }
    }

    @Test("Differences name the tensor and both sides of it, and no more than a person reads")
    func differences() throws {
        let own = try description(table())
        var others = own.tensors
        others[0] = Tensor(
            name: "a.t", dtype: "float32", shape: [3, 4], strides: [], storage: 0, offset: 0, size: 48)
        others[1] = Tensor(name: "a.w", dtype: "float16", shape: [4, 6], storage: 0, offset: 0, size: 48)
        others[2] = Tensor(name: "z", dtype: "int8", shape: [0], storage: 1, offset: 0, size: 0)
        let found = try own.differences(from: manifest(own, tensors: others))
        #expect(
            found == [
                "z is not here", "a.t lies otherwise in its storage",
                "a.w is float16 [4, 6] instead of float32 [4, 3]", "b is missing there",
            ])
        let many = (0..<100).map {
            Tensor(name: "t\($0)", dtype: "int8", shape: [0], storage: 1, offset: 0, size: 0)
        }
        let told = try own.differences(from: manifest(own, tensors: many))
        #expect(told.count == 9 && told.last == "and 95 more")
    }
}

@Suite("Where workers listen")
struct EngineSocketsTests {
    @Test("The worker's number stands before the extension")
    func numbers() throws {
        let sockets = try #require(EngineSockets(address: "ipc:///tmp/mx/vllm.sock"))
        #expect(sockets.number(of: "vllm-0.sock") == 0 && sockets.number(of: "vllm-17.sock") == 17)
        for name in ["vllm.sock", "vllm-.sock", "vllm-1.fd.sock", "vllm-x.sock", "vllm-99999999999999999999.sock", "a"]
        {
            #expect(sockets.number(of: name) == nil, "\(name)")
        }
        #expect(EngineSockets.streamPath(of: "/tmp/mx/vllm-3.sock") == "/tmp/mx/vllm-3.fd.sock")
        #expect(EngineSockets.streamPath(of: "/tmp/m.x/vllm-3") == "/tmp/m.x/vllm-3.fd")
        let bare = try #require(EngineSockets(address: "ipc:///run/engine"))
        #expect(bare.number(of: "engine-2") == 2)
    }

    @Test("An address on no path of this machine is none", arguments: ["tcp://host:1", "ipc://x", "ipc:///", ""])
    func noAddress(text: String) { #expect(EngineSockets(address: text) == nil) }
}
