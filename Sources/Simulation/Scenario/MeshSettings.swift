import Mesh
import Records

/// The mesh's settings that a scenario may change, by the names that it uses.
enum MeshSettings {
    private enum Kind {
        case duration(WritableKeyPath<MeshConfiguration, UInt64>)
        case count(WritableKeyPath<MeshConfiguration, Int>)
    }

    private static var table: [(name: String, kind: Kind)] {
        [
            ("anti_entropy_period", .duration(\.antiEntropyPeriod)), ("ping_period", .duration(\.pingPeriod)),
            ("missed_pings", .count(\.missedPings)), ("patience", .count(\.patience)),
            ("bootstrap_retry", .duration(\.bootstrapRetry)), ("direct_peers", .count(\.directPeers)),
            ("lost_greeting_period", .duration(\.lostGreetingPeriod)), ("lost_peers", .count(\.lostPeers)),
        ]
    }

    /// Settings of the presets; a scenario that names one changes it in all of them.
    private static let ofPresets = [
        "degree", "chosen", "beacon_period", "term", "beacon_delay", "shuffle_period", "rendezvous_period",
    ]

    static func read(_ node: ScenarioNode, into mesh: inout MeshConfiguration) throws(ScenarioError) {
        let table = self.table
        let map = try node.map(table.map(\.name) + ofPresets)
        for (name, kind) in table {
            guard let value = map[name] else { continue }
            switch kind {
            case .duration(let path): mesh[keyPath: path] = try value.duration()
            case .count(let path): mesh[keyPath: path] = try value.count(in: 0...1_000_000)
            }
        }
        for index in mesh.presets.indices { mesh.presets[index] = try preset(mesh.presets[index], map) }
    }

    private static func preset(_ preset: MeshPreset, _ map: ScenarioMap) throws(ScenarioError) -> MeshPreset {
        MeshPreset(
            upTo: preset.upTo, degree: try map["degree"]?.count(in: 1...64) ?? preset.degree,
            chosen: try map["chosen"]?.count(in: 0...64) ?? preset.chosen,
            beaconPeriod: try map["beacon_period"]?.duration() ?? preset.beaconPeriod,
            term: try map["term"].map { (node) throws(ScenarioError) in
                Int64(try node.duration() / Duration64.millisecond)
            } ?? preset.term,
            beaconDelay: try map["beacon_delay"]?.duration() ?? preset.beaconDelay,
            shufflePeriod: try map["shuffle_period"]?.duration() ?? preset.shufflePeriod,
            rendezvousPeriod: try map["rendezvous_period"]?.duration() ?? preset.rendezvousPeriod)
    }
}
