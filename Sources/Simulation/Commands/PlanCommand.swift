package import ArgumentParser
import FoundationEssentials
import Records

/// Answers a fleet owner's question from flags alone.
package struct PlanCommand: ParsableCommand {
    package static let configuration = CommandConfiguration(
        commandName: "plan",
        abstract: "Tells when the replicas of a rollout have their weights, and what each source carries.",
        discussion: """
            A model of 140 GB at tensor parallel size 4, each rank with its own 400 Gbit/s, 1,000 replicas, one source:
              modelexpress-sim plan --model 140GB --tp 4 --nic 400Gbit --replicas 1000

            A model of 750 GB at tensor parallel size 8, of which nobody has anything yet, two replicas load from disk:
              modelexpress-sim plan --model 750GB --tp 8 --replicas 200 --sources 0 --loaders 2 --disk 10GB

            The scheduler and the ledgers are those of production, on links that are shared max-min fairly. What an engine does
            before it asks and after it has its weights is not in the times.
            """)

    @Option(help: "The whole model, all ranks together.")
    var model = "140GB"

    @Option(name: [.customLong("tp"), .customLong("ranks")], help: "Ranks of a replica: its tensor parallel size.")
    var ranks = 1

    @Option(help: "Speed of the NIC of each rank, each way.")
    var nic = "400Gbit"

    @Option(help: "Replicas that want the weights, all at once.")
    var replicas = 100

    @Option(help: "Replicas that have them at the start.")
    var sources = 1

    @Option(help: "Replicas that load them from disk, beside the others.")
    var loaders = 0

    @Option(help: "Speed of a loader's disk, all ranks together, for each second.")
    var disk = "5GB"

    @Option(help: "Of all replicas, how many percent die on the way.")
    var failing = 0.0

    @Option(help: "Zones that the replicas are spread over.")
    var zones = 1

    @Option(help: "Speed between two zones, each way; without it there is no bound.")
    var link: String?

    @Option(help: "A rolling update: so many replicas at once; each that is ready ends a source.")
    var rolling: Int?

    @Option(help: "Chunks that a rank's content is simulated with; 0 chooses as many as take seconds.")
    var chunks = 0

    @Option(help: "The number that every choice of the run is drawn from.")
    var seed: UInt64 = 1

    @Flag(help: "One line of JSON in place of the text.")
    var json = false

    package init() {}

    package func validate() throws {
        func check(_ value: Int, _ range: ClosedRange<Int>, _ name: String) throws {
            guard range.contains(value) else {
                throw ValidationError("--\(name) is from \(range.lowerBound) to \(range.upperBound)")
            }
        }
        try check(ranks, 1...1_024, "tp")
        try check(replicas, 1...20_000, "replicas")
        try check(sources, 0...20_000, "sources")
        try check(loaders, 0...1_000, "loaders")
        try check(zones, 1...64, "zones")
        try check(chunks, 0...100_000, "chunks")
        try check(rolling ?? 1, 1...20_000, "rolling")
        guard (0...90).contains(failing) else { throw ValidationError("--failing is from 0 to 90 percent") }
        guard sources + loaders > 0 else { throw ValidationError("there must be a source or a loader") }
        _ = try distribution()
    }

    package func run() throws {
        let plan = Plan(distribution: try distribution(), seed: seed)
        let answer = try plan.answer()
        print(json ? try answer.json() : answer.text, terminator: json ? "\n" : "")
    }

    private func distribution() throws -> Distribution {
        var distribution = Distribution(name: "plan", path: "")
        distribution.modelBytes = try Self.value(model, QuantityReading.bytes, "model", "140GB")
        distribution.ranks = ranks
        distribution.nic = try Self.value(nic, QuantityReading.rate, "nic", "400Gbit") * Double(ranks)
        distribution.disk = try Self.value(disk, QuantityReading.rate, "disk", "5GB")
        distribution.link = try link.map { try Self.value($0, QuantityReading.rate, "link", "100Gbit") }
        (distribution.sources, distribution.loaders, distribution.targets) = (sources, loaders, replicas)
        (distribution.zones, distribution.rolling) = (zones, rolling)
        distribution.chunks = chunks > 0 ? chunks : Plan.chunks(forReplicas: replicas + sources)
        distribution.known = replicas + sources > Plan.wholeView ? Plan.knownOthers : nil
        if failing > 0 {
            distribution.faults = [.init(.kill, .all, Share(millionths: UInt64(failing * 10_000)))]
        }
        return distribution
    }

    private static func value(
        _ text: String, _ read: (String) -> Double?, _ name: String, _ example: String
    ) throws -> Double {
        guard let value = read(text) else {
            throw ValidationError("--\(name) is \"\(text)\"; expected such as \(example)")
        }
        return value
    }
}
