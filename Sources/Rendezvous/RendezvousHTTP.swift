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
        HTTPFace.Configuration(address: settings.peer.bind, port: settings.httpPort)
    }

    package func httpContent() -> HTTPFace.Content {
        HTTPFace.Content(
            state: {
                let word = await self.status()?.state ?? "draining"
                // Without Redis a server stays in its Service: it is needed most then.
                return (word, word == "ok" || word == "degraded")
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
        let (word, sentence) = condition
        let server = OverviewServer(
            name: look.name, peer: look.local.description, cluster: look.cluster, version: Release.version,
            state: word, reasons: OverviewReasons.all(look, state: word, store: sentence), store: sentence,
            storeWaiting: store.pendingCount, started: started, time: now.wall)
        return OverviewBase(server: server, look: look, watch: watcher.current)
    }
}
