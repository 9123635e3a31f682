import EngineBridge
import LocalAPI
import Records
import Telemetry

/// What this sidecar knows of its pod's workers, for people, metrics and readiness. Any thread.
final class EngineBoard: Sendable {
    static let fromMesh = fills("mesh")
    static let fromDisk = fills("disk")

    private static func fills(_ origin: String) -> Counter {
        Metrics.shared.counter(
            "modelexpress_engine_fills_total", help: "Engines' workers that got their weights, by where from.",
            labels: [("from", origin)])
    }

    private struct Worker {
        var view: EngineView
        var isProcessed = false
    }

    private let workers = Guarded<[Int: Worker]>([:])

    init() {
        for phase in EnginePhase.allCases {
            Metrics.shared.gauge(
                "modelexpress_engine_workers", help: "Workers of the engine beside this sidecar, by phase.",
                labels: [("phase", phase.rawValue)]
            ) { [weak self] in
                Double(self?.workers.withLock { $0.values.count { $0.view.phase == phase.rawValue } } ?? 0)
            }
        }
    }

    var views: [EngineView] { workers.withLock { $0.values.map(\.view).sorted { $0.worker < $1.worker } } }

    /// Whether an engine that answers already has weights of its own only in part.
    var isFillingProcessed: Bool {
        workers.withLock {
            $0.values.contains { $0.isProcessed && $0.view.phase != EnginePhase.ready.rawValue }
        }
    }

    func note(_ number: Int, _ hello: EngineHello) {
        workers.withLock { workers in
            var worker =
                workers[number]
                ?? Worker(view: EngineView(worker: number, phase: "", vllm: hello.vllm, pid: Int(hello.pid)))
            worker.view.phase = hello.phase.rawValue
            worker.view.pid = Int(hello.pid)
            workers[number] = worker
        }
    }

    func note(_ number: Int, _ description: EngineDescription) {
        workers.withLock { workers in
            workers[number]?.view.model = description.identity.model
            workers[number]?.view.revision = description.identity.revision
            workers[number]?.view.stage = description.identity.stage.word
            workers[number]?.view.rank = Int(description.rank)
            workers[number]?.isProcessed = description.identity.stage == .processed
        }
    }

    func note(_ number: Int, offered manifest: ManifestID?, coverage: Double) {
        workers.withLock { workers in
            workers[number]?.view.manifest = manifest?.description
            workers[number]?.view.coverage = coverage
        }
    }

    func remove(_ number: Int) { workers.withLock { $0[number] = nil } }
}
