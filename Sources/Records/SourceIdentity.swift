import Digest

/// Which weights in an engine's life are meant.
package enum Stage: UInt8, Sendable, CaseIterable {
    /// A checkpoint folder.
    case files = 1
    /// Tensors as loaded, before vLLM processes them.
    case loaded = 2
    /// Tensors as vLLM computes with them.
    case processed = 3

    package var word: String { "\(self)" }
}

/// What must be equal for weights to fit: everything in it is part of the source id.
package struct SourceIdentity: Hashable, Sendable {
    package let model: String
    package let revision: String
    package let stage: Stage
    package let dtype: String
    package let quantisation: String
    package let tensorParallel: UInt32
    package let pipelineParallel: UInt32
    package let expertParallel: UInt32

    package init(
        model: String, revision: String, stage: Stage, dtype: String = "", quantisation: String = "",
        tensorParallel: UInt32 = 1, pipelineParallel: UInt32 = 1, expertParallel: UInt32 = 1
    ) {
        self.model = model
        self.revision = revision
        self.stage = stage
        self.dtype = dtype
        self.quantisation = quantisation
        self.tensorParallel = tensorParallel
        self.pipelineParallel = pipelineParallel
        self.expertParallel = expertParallel
    }

    package var id: SourceID { SourceID(SHA256.digest(encoded)) }

    /// What is not as in `wanted`, in words: "dtype float16 instead of bfloat16".
    package func differences(from wanted: SourceIdentity) -> [String] {
        let fields: [(String, String, String)] = [
            ("model", model, wanted.model), ("revision", revision, wanted.revision),
            ("stage", stage.word, wanted.stage.word), ("dtype", dtype, wanted.dtype),
            ("quantisation", quantisation, wanted.quantisation),
            ("tensor parallel size", "\(tensorParallel)", "\(wanted.tensorParallel)"),
            ("pipeline parallel size", "\(pipelineParallel)", "\(wanted.pipelineParallel)"),
            ("expert parallel size", "\(expertParallel)", "\(wanted.expertParallel)"),
        ]
        return fields.filter { $0.1 != $0.2 }.map { name, own, other in
            "\(name) \(own.isEmpty ? "none" : own) instead of \(other.isEmpty ? "none" : other)"
        }
    }
}

extension SourceIdentity: WireCodable {
    package func encode(to writer: inout WireWriter) {
        writer.write(model)
        writer.write(revision)
        writer.write(stage.rawValue)
        writer.write(dtype)
        writer.write(quantisation)
        writer.write(tensorParallel)
        writer.write(pipelineParallel)
        writer.write(expertParallel)
    }

    package init(from reader: inout WireReader) throws(WireError) {
        model = try reader.readString("model", limit: WireLimits.name)
        revision = try reader.readString("revision", limit: WireLimits.name)
        stage = try Stage(from: &reader)
        dtype = try reader.readString("dtype", limit: WireLimits.name)
        quantisation = try reader.readString("quantisation", limit: WireLimits.name)
        tensorParallel = try reader.read("tensor parallel size")
        pipelineParallel = try reader.read("pipeline parallel size")
        expertParallel = try reader.read("expert parallel size")
    }
}

extension Stage {
    package init(from reader: inout WireReader) throws(WireError) {
        let raw = try reader.read(UInt8.self, "stage")
        guard let stage = Stage(rawValue: raw) else { throw .unknownValue(field: "stage", value: UInt64(raw)) }
        self = stage
    }
}
