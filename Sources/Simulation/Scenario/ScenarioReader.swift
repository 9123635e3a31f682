import FoundationEssentials
import Mesh
import Records
import Yams

/// Reads scenario files: `simulations/README.md` tells what they may say.
package enum ScenarioReader {
    /// The longest file that is read, bytes.
    private static let sizeLimit = 1 << 20
    private static let peers = 1...100_000

    /// - Parameter peers: in place of the count that the file names.
    package static func read(path: String, peers: Int? = nil) throws(ScenarioError) -> Scenario {
        guard let content = FileManager.default.contents(atPath: path) else {
            throw .unreadable(path: path, reason: "there is no such file, or it can't be opened")
        }
        guard content.count <= sizeLimit, let text = String(validating: content, as: UTF8.self) else {
            throw .unreadable(path: path, reason: "it is no UTF-8 text of at most \(sizeLimit) bytes")
        }
        var scenario = try read(text: text, path: path)
        if let peers {
            scenario.offers = scaled(scenario.offers, from: scenario.peers, to: peers)
            scenario.peers = peers
        }
        return scenario
    }

    package static func read(text: String, path: String) throws(ScenarioError) -> Scenario {
        let composed: Node?
        do {
            composed = try Yams.compose(yaml: text)
        } catch {
            throw .notYAML(path: path, reason: "\(error)")
        }
        guard let composed else { throw .notYAML(path: path, reason: "it is empty") }
        return try scenario(ScenarioNode(composed, path: path, key: ""), path)
    }

    private static func scenario(_ node: ScenarioNode, _ path: String) throws(ScenarioError) -> Scenario {
        let map = try node.map([
            "peers", "servers", "offers", "zones", "join", "mesh", "network", "work", "timeline", "end", "expect",
        ])
        let file = path.split(separator: "/").last.map(String.init) ?? path
        var scenario = Scenario(name: file.split(separator: ".").first.map(String.init) ?? file, path: path)
        scenario.peers = try map.required("peers").count(in: peers)
        try map.read("servers", into: &scenario.servers) { (node) throws(ScenarioError) in try node.count(in: 0...16) }
        let most = scenario.peers
        try map.read("offers", into: &scenario.offers) { (node) throws(ScenarioError) in
            try node.count(in: 0...most)
        }
        try map.read("zones", into: &scenario.zones) { (node) throws(ScenarioError) in try node.count(in: 1...64) }
        if let join = map["join"] { scenario.join = try self.join(join) }
        if let mesh = map["mesh"] { try MeshSettings.read(mesh, into: &scenario.mesh) }
        if let network = map["network"] { scenario.network = try NetworkReader.network(network) }
        if let work = map["work"] { scenario.work = try self.work(work) }
        scenario.end = try map.required("end").duration()
        for step in try map["timeline"]?.list() ?? [] {
            scenario.timeline.append(try StepReader.step(step, zones: scenario.zones))
        }
        scenario.timeline.sort { $0.at < $1.at }
        if let expected = map["expect"] { scenario.expected = try ExpectationReader.read(expected, of: scenario) }
        return scenario
    }

    private static func join(_ node: ScenarioNode) throws(ScenarioError) -> JoinSettings {
        let map = try node.map(["over", "settle", "limit", "warm"])
        var join = JoinSettings()
        try map.read("over", into: &join.over) { (node) throws(ScenarioError) in try node.duration() }
        if let warm = map["warm"] { join.isWarm = try warm.flag() }
        try map.read("settle", into: &join.settle) { (node) throws(ScenarioError) in try node.duration() }
        try map.read("limit", into: &join.limit) { (node) throws(ScenarioError) in try node.duration() }
        return join
    }

    private static func work(_ node: ScenarioNode) throws(ScenarioError) -> WorkSettings {
        let map = try node.map(["message", "verification"])
        var work = WorkSettings()
        try map.read("message", into: &work.message) { (node) throws(ScenarioError) in try node.duration() }
        try map.read("verification", into: &work.verification) { (node) throws(ScenarioError) in try node.duration() }
        return work
    }

    private static func scaled(_ count: Int, from old: Int, to new: Int) -> Int {
        min(count == old ? new : max(count * new / old, min(count, 1)), new)
    }
}
