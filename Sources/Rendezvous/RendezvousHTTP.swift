import Configuration
package import HTTPFace
import LocalAPI
import MeshTransport
import PeerLogic
import Records
import SnapshotStore
import Telemetry

/// What a server says over HTTP.
extension RendezvousProcess {
    package var httpConfiguration: HTTPFace.Configuration {
        var configuration = HTTPFace.Configuration(address: settings.peer.bind, port: settings.httpPort)
        if let certificate { configuration.channel = { certificate.channel(for: $0) } }
        return configuration
    }

    package func httpContent() -> HTTPFace.Content {
        HTTPFace.Content(
            state: {
                let state = self.condition.report.state
                return (state.rawValue, state.isReady)
            },
            metrics: { Metrics.shared.exposition() },
            json: { name, query in
                guard name == "overview" else { return await self.views.view(name) { await self.json(name) } }
                return await self.views.overview(query, look: { await self.look() }) {
                    try? LocalJSON.encode($0.overview(query))
                }
            },
            files: PageFiles.all)
    }

    /// One look at the mesh; nil once the server has stopped.
    private func look() async -> OverviewBase? {
        let now = Self.now()
        guard let look = try? await host.query({ MeshLook($0, now: now) }) else { return nil }
        let (report, sentence) = (condition.report, condition.storeSentence)
        let waiting = store.pendingCount
        let server = OverviewServer(
            name: look.name, peer: look.local.description, cluster: look.cluster, version: Release.version,
            state: report.state.rawValue, reasons: OverviewReasons.all(look, report, storeWaiting: waiting),
            store: sentence, storeWaiting: waiting, started: started, time: now.wall)
        return OverviewBase(
            server: server, look: look, watch: watcher.current,
            pool: engines?.overview ?? OverviewPool(isPresent: false))
    }
}
