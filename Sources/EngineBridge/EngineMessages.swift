/// Where a worker is in its life; deploy/vllm says what each means.
package enum EnginePhase: String, Decodable, CaseIterable, Sendable {
    case starting, waiting, filled, loading, loaded, processing, ready, changed, apart
}

/// What a worker says when it is asked how it does.
package struct EngineHello: Decodable, Hashable, Sendable {
    /// Of the Python package, and of vLLM.
    package let version: String
    package let vllm: String
    /// Another for each process.
    package let generation: String
    /// Its number in the pod.
    package let worker: Int
    package let pid: Int32
    package let phase: EnginePhase
    /// Which arena it has, counted from 1; 0: none.
    package let arena: Int
    /// What it has read from disk, and what its weights are; bytes.
    package let loadedBytes: UInt64
    package let totalBytes: UInt64
}

/// What a sidecar asks of a worker.
struct EngineRequest: Encodable {
    enum Name: String, Encodable { case hello, describe, mapped, filled, disk, proceed, withdrawn }

    let `protocol` = EngineLimits.protocolVersion
    let id: UInt64
    let request: Name
    var generation: String?
    var reason: String?
    /// What the worker keeps for the sidecar's next start, in base64.
    var record: String?
    var arena: Int?
}

/// What every answer has.
struct EngineAnswer: Decodable {
    let `protocol`: Int
    let id: UInt64
    let ok: Bool
    let error: String?
}

struct EngineDescribed: Decodable {
    let description: EngineTable
    let record: String
}

/// A worker's description of its weights, as it comes; `EngineDescription` is what becomes of it.
struct EngineTable: Decodable {
    struct Identity: Decodable {
        let model: String
        let revision: String
        let stage: String
        let dtype: String
        let quantisation: String
        let tensorParallel: UInt32
        let pipelineParallel: UInt32
        let expertParallel: UInt32

        private enum CodingKeys: String, CodingKey {
            case model, revision, stage, dtype, quantisation
            case tensorParallel = "tensor_parallel"
            case pipelineParallel = "pipeline_parallel"
            case expertParallel = "expert_parallel"
        }
    }

    /// [name, bytes]
    struct Storage: Decodable {
        let name: String
        let size: UInt64

        init(from decoder: any Decoder) throws {
            var fields = try decoder.unkeyedContainer()
            name = try fields.decode(String.self)
            size = try fields.decode(UInt64.self)
        }
    }

    /// [name, dtype, shape, strides, storage, offset, bytes]
    struct Tensor: Decodable {
        let name: String
        let dtype: String
        let shape: [UInt64]
        let strides: [UInt64]
        let storage: UInt32
        let offset: UInt64
        let size: UInt64

        init(from decoder: any Decoder) throws {
            var fields = try decoder.unkeyedContainer()
            name = try fields.decode(String.self)
            dtype = try fields.decode(String.self)
            shape = try fields.decode([UInt64].self)
            strides = try fields.decode([UInt64].self)
            storage = try fields.decode(UInt32.self)
            offset = try fields.decode(UInt64.self)
            size = try fields.decode(UInt64.self)
        }
    }

    let identity: Identity
    let rank: UInt32
    let mayShare: Bool
    let mayLoad: Bool
    let alignment: UInt64
    let storages: [Storage]
    let tensors: [Tensor]
}
