import Mesh
import Records
import Simulation
import Testing

@Suite("Scenario files")
struct ScenarioTests {
    private static func read(_ text: String) throws -> Scenario {
        try ScenarioReader.read(text: text, path: "folder/name.yaml")
    }

    @Test("A scenario says all that a run needs")
    func complete() throws {
        let scenario = try Self.read(
            """
            peers: 40
            servers: 2
            offers: 3
            zones: 2
            join: {over: 1s, settle: 0.5s, limit: 1m}
            mesh: {degree: 5, beacon_period: 4s, term: 16s}
            network:
              latency: {uniform: [10ms, 150ms]}
              drawn: pair
              jitter: 10%
              loss: {gossip: 5%}
            work: {message: 1us, verification: 55us}
            timeline:
              - {at: 2s, partition: {share: 50%, for: 60s, blocks: in}}
              - {at: 1s, announce: rumour}
            end: 90s
            expect:
              rumour_p99: {at_most: 300ms}
              rumour_reached: {at_least: 99.9%}
            """)
        #expect(scenario.name == "name")
        #expect(scenario.peers == 40 && scenario.servers == 2 && scenario.offers == 3 && scenario.zones == 2)
        #expect(scenario.join.settle == 500 * Duration64.millisecond)
        #expect(scenario.mesh.presets.allSatisfy { $0.degree == 5 && $0.term == 16_000 })
        #expect(scenario.network.latency == .uniform(10_000_000...150_000_000))
        #expect(scenario.network.drawn == .pair && scenario.network.jitter == Share(millionths: 100_000))
        #expect(scenario.timeline.map(\.at) == [Duration64.second, 2 * Duration64.second])
        #expect(
            scenario.timeline[1].action
                == .partition(
                    Selection(.share(Share(millionths: 500_000))), blocks: .inbound, duration: 60 * Duration64.second))
        #expect(scenario.expected["rumour_p99_ms"] == .atMost(300))
        #expect(scenario.expected["rumour_reached_percent"] == .atLeast(99.9))
    }

    @Test(
        "What can't be used is named with its file, its line, its key and what is allowed",
        arguments: [
            ("peers: many\nend: 1s", "folder/name.yaml:1: peers is \"many\"; expected a whole number from 1 to 100000"),
            ("peers: 1", "folder/name.yaml:1: \"end\" is missing"),
            (
                "end: 1s\npeers: 1\nnetwork: {los: 1%}",
                "folder/name.yaml:3: network.los is not known there; allowed: latency"
            ),
            ("peers: 2\nend: 5", "folder/name.yaml:2: end is \"5\"; expected a duration"),
            (
                "peers: 2\nend: 5s\ntimeline:\n  - {at: 1s, crash: {share: 120%}}",
                "folder/name.yaml:4: timeline[0].crash.share is \"120%\"; expected a share"
            ),
            (
                "peers: 2\nend: 5s\ntimeline:\n  - {at: 1s, crash: {}}",
                "folder/name.yaml:4: timeline[0].crash: \"share, count, role or zone\" is missing"
            ),
            (
                "peers: 2\nend: 5s\ntimeline:\n  - {at: 1s, watch: {for: peace}}",
                "timeline[0].watch.for is \"peace\"; expected one of: agreement, overlay"
            ),
            (
                "peers: 2\nend: 5s\nexpect: {rumour_p99: {at_most: 1ms}}",
                "folder/name.yaml:3: expect.rumour_p99 is not known there; allowed: join_time"
            ),
            ("peers: [", "folder/name.yaml is not YAML"),
            ("", "folder/name.yaml is not YAML: it is empty"),
        ])
    func refused(_ text: String, _ message: String) {
        do {
            _ = try Self.read(text)
            Issue.record("it was read")
        } catch {
            #expect("\(error)".contains(message), "\(error)")
        }
    }

    @Test("A file that isn't there is named")
    func missingFile() {
        #expect(throws: ScenarioError.self) { try ScenarioReader.read(path: "/nowhere/at/all.yaml") }
    }
}
