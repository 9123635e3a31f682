import EngineBridge
import EventThread
import Telemetry
import ZeroMQ

/// Finds the workers of this pod's engine as they come, and has each attended to until it ends.
package enum EngineWatch {
    private static let log = Log(component: "engine")

    /// Runs until the task is cancelled.
    package static func run(_ sidecar: SidecarProcess, _ settings: EngineSettings) async {
        let context: ZeroMQContext
        let looking: WorkerPool
        do {
            context = try ZeroMQContext()
            // Looking into a folder waits for its file system.
            looking = try WorkerPool(name: "engine-watch", threads: 1, capacity: 1)
        } catch {
            return log.error("engines can't be attended to", [("reason", "\(error)")])
        }
        let attended = Guarded<Set<String>>([])
        await withDiscardingTaskGroup { group in
            while !Task.isCancelled {
                for (number, path) in await present(settings.sockets, looking).sorted(by: { $0.key < $1.key })
                where attended.withLock({ $0.insert(path).inserted }) {
                    group.addTask {
                        await EngineAgent(number: number, path: path, sidecar: sidecar, settings: settings)
                            .attend(context)
                        attended.withLock { _ = $0.remove(path) }
                    }
                }
                try? await Task.sleep(nanoseconds: EngineLimits.watchPeriod)
            }
            group.cancelAll()
        }
        DetachedWork.run {
            looking.stop()
            context.terminate()
        }
    }

    private static func present(_ sockets: EngineSockets, _ looking: WorkerPool) async -> [Int: String] {
        await withCheckedContinuation { continuation in
            let isQueued = looking.submit { continuation.resume(returning: sockets.present()) }
            if !isQueued { continuation.resume(returning: [:]) }
        }
    }
}
