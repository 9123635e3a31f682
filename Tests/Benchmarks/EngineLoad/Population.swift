import EnginePool

/// The workers that the load plays: so many, spread evenly over so many models.
struct Population {
    let workers: Int
    let models: Int
    private let sources: [String]

    init(workers: Int, models: Int) {
        self.workers = workers
        self.models = models
        sources = (0..<models).map { Self.identity($0).sourceID }
    }

    private static func identity(_ model: Int) -> EngineIdentity {
        var identity = EngineIdentity()
        identity.clientVersion = "0.7.0"
        identity.model = "load/model-\(model)"
        identity.framework = 1
        identity.tensorParallel = 8
        identity.dtype = "bfloat16"
        return identity
    }

    private static func encoded(_ model: Int) -> [UInt8] {
        Protobuf.text(1, "0.7.0") + Protobuf.text(3, "load/model-\(model)") + Protobuf.number(4, 1)
            + Protobuf.number(5, 8) + Protobuf.text(8, "bfloat16")
    }

    private func name(_ worker: Int) -> String {
        let digits = String(worker, radix: 16)
        return String(repeating: "0", count: 8 - digits.count) + digits
    }

    /// PublishMetadata as the public client sends it in its default mode.
    func publish(_ worker: Int) -> [UInt8] {
        let metadata =
            Protobuf.number(1, worker % 8) + Protobuf.text(6, "10.0.0.1:5555")
            + Protobuf.text(7, "mx-auto-worker\(worker % 8)-\(name(worker))") + Protobuf.text(8, "10.0.0.1:6555")
            + Protobuf.text(9, "cuda")
        return Protobuf.message(
            Protobuf.bytes(1, Self.encoded(worker % models)) + Protobuf.bytes(2, metadata)
                + Protobuf.text(3, name(worker)))
    }

    /// UpdateStatus(READY).
    func update(_ worker: Int) -> [UInt8] {
        Protobuf.message(
            Protobuf.text(1, sources[worker % models]) + Protobuf.number(2, worker % 8) + Protobuf.number(3, 2)
                + Protobuf.text(4, name(worker)))
    }

    /// ListSources(identity, READY), as the public client asks.
    func list(_ model: Int) -> [UInt8] {
        Protobuf.message(Protobuf.bytes(1, Self.encoded(model % models)) + Protobuf.number(2, 2))
    }
}
