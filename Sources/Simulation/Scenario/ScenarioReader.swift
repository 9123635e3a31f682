import FoundationEssentials
import Mesh
import Records
import Yams

/// Reads scenario files: `simulations/README.md` tells what they may say.
package enum ScenarioReader {
    /// The longest file that is read, bytes.
    private static let sizeLimit = 1 << 20
    private static let peers = 1...100_000

    /// Reads a scenario of either kind.
    ///
    /// - Parameter peers: in place of the count of peers, or of targets, that the file names.
    package static func file(path: String, peers: Int? = nil) throws(ScenarioError) -> ScenarioFile {
        try file(text: try text(path), path: path, peers: peers)
    }

    package static func file(text: String, path: String, peers: Int? = nil) throws(ScenarioError) -> ScenarioFile {
        let node = try composed(text, path)
        guard node.has("distribution") else { return .mesh(try scenario(node, path).with(peers: peers)) }
        var distribution = try DistributionReader.read(node, name: name(of: path), path: path)
        if let peers {
            // One source stays one: that is what such a scenario asks about.
            if distribution.sources > 1 {
                distribution.sources = scaled(distribution.sources, from: distribution.targets, to: peers)
            }
            distribution.rolling = distribution.rolling.map { scaled($0, from: distribution.targets, to: peers) }
            distribution.targets = peers
        }
        return .distribution(distribution)
    }

    /// - Parameter peers: in place of the count that the file names.
    package static func read(path: String, peers: Int? = nil) throws(ScenarioError) -> Scenario {
        try read(text: try text(path), path: path).with(peers: peers)
    }

    private static func text(_ path: String) throws(ScenarioError) -> String {
        guard let content = FileManager.default.contents(atPath: path) else {
            throw .unreadable(path: path, reason: "there is no such file, or it can't be opened")
        }
        guard content.count <= sizeLimit, let text = String(validating: content, as: UTF8.self) else {
            throw .unreadable(path: path, reason: "it is no UTF-8 text of at most \(sizeLimit) bytes")
        }
        return text
    }

    package static func read(text: String, path: String) throws(ScenarioError) -> Scenario {
        try scenario(try composed(text, path), path)
    }

    private static func composed(_ text: String, _ path: String) throws(ScenarioError) -> ScenarioNode {
        let composed: Node?
        do {
            composed = try Yams.compose(yaml: text)
        } catch {
            throw .notYAML(path: path, reason: "\(error)")
        }
        guard let composed else { throw .notYAML(path: path, reason: "it is empty") }
        return ScenarioNode(composed, path: path, key: "")
    }

    private static func scenario(_ node: ScenarioNode, _ path: String) throws(ScenarioError) -> Scenario {
        let map = try node.map([
            "peers", "servers", "offers", "zones", "join", "mesh", "network", "work", "timeline", "end", "expect",
            "liveness", "known_peers", "changes_only_above", "certificates",
        ])
        var scenario = Scenario(name: name(of: path), path: path)
        scenario.peers = try map.required("peers").count(in: peers)
        try map.read("servers", into: &scenario.servers) { (node) throws(ScenarioError) in try node.count(in: 0...16) }
        let most = scenario.peers
        try map.read("offers", into: &scenario.offers) { (node) throws(ScenarioError) in
            try node.count(in: 0...most)
        }
        try map.read("known_peers", into: &scenario.knownPeers) { (node) throws(ScenarioError) in
            try node.count(in: 0...16)
        }
        scenario.changesOnlyAbove = try map["changes_only_above"]?.count(in: peers)
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
        scenario.liveness = try map["liveness"]?.duration()
        try map.read("certificates", into: &scenario.certificateLife) { (node) throws(ScenarioError) in
            try certificateLife(node)
        }
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

    /// A certificate is renewed once a minute at most: one that lives no longer would end each time.
    private static let certificateLives = 70 * Duration64.second...24 * 3_600 * Duration64.second

    private static func certificateLife(_ node: ScenarioNode) throws(ScenarioError) -> Int64 {
        let life = try node.duration()
        guard certificateLives.contains(life) else { throw node.invalid("a duration from 70s to 24h") }
        return Int64(life / Duration64.millisecond)
    }

    private static func name(of path: String) -> String {
        let file = path.split(separator: "/").last.map(String.init) ?? path
        return file.split(separator: ".").first.map(String.init) ?? file
    }

    /// A count that goes with the number of peers.
    static func scaled(_ count: Int, from old: Int, to new: Int) -> Int {
        min(count == old ? new : max(count * new / old, min(count, 1)), new)
    }
}

extension Scenario {
    /// The same with another number of peers.
    fileprivate func with(peers: Int?) -> Scenario {
        guard let peers else { return self }
        var scenario = self
        scenario.offers = ScenarioReader.scaled(offers, from: self.peers, to: peers)
        scenario.peers = peers
        return scenario
    }
}
