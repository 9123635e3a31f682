import EventThread
import Mesh
import MeshTransport
import PeerLogic
import Telemetry

/// Hands what the peer does on to the store's keeper, and lets the watch look at it.
///
/// Effects come on the peer's thread; the watch is read from anywhere.
final class MeshWatcher: PeerEffectHandler {
    private let keeper: StoreKeeper
    private let watch = Guarded(MeshWatch())

    init(keeper: StoreKeeper) { self.keeper = keeper }

    func perform(_ effect: PeerEffect) {
        keeper.perform(effect)
        guard case .mesh(.changed(let change)) = effect else { return }
        watch.withLock { $0.take(change, atWall: WallClock.now()) }
    }

    /// The watch as it is now.
    var current: MeshWatch { watch.withLock { $0 } }

    /// Takes samples until the task is cancelled.
    func run() async {
        while !Task.isCancelled {
            watch.withLock { $0.sample(atWall: WallClock.now()) }
            try? await Task.sleep(for: .seconds(MeshWatch.samplePeriod))
        }
    }
}
