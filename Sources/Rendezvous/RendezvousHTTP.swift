import Configuration
package import HTTPFace
import LocalAPI
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
            json: { name, _ in await self.json(name).map { JSONBody($0) } })
    }
}
