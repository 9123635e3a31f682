import Configuration
import Glibc
import Records

/// Loads a server as thousands of peers would, from one process: `MeshLoad join` and `MeshLoad publish`. The last line of standard
/// output is one JSON object.
@main
struct MeshLoad {
    private static let usage = """
        usage: MeshLoad join --seed HOST:PORT --token FILE [--joiners N] [--within SECONDS] [--model NAME] [--everything]
               MeshLoad publish --seed HOST:PORT[,HOST:PORT] --token FILE [--publishers N] [--records N]
                        [--beacon-seconds N] [--term-seconds N] [--seconds N] [--stop-share PERCENT] [--stop-after SECONDS]
                        [--living FILE]
        """

    static func main() async {
        let arguments = CommandLine.arguments
        guard arguments.count > 1, let seed = text("--seed"), let token = text("--token") else { fail(usage, code: 2) }
        do {
            let holder = try TokenFile.load(token)
            switch arguments[1] {
            case "join":
                let crowd = try Crowd(
                    token: holder, seed: seed, count: number("--joiners", 1_000),
                    within: UInt64(number("--within", 2)) * Duration64.second,
                    filter: arguments.contains("--everything")
                        ? .everything : .interests([SnapshotInterest(.model(text("--model") ?? "load/model-0"))]))
                print(await crowd.run())
            case "publish":
                let publishing = Publishing(
                    publishers: number("--publishers", 2_000), records: number("--records", 5),
                    beaconPeriod: UInt64(number("--beacon-seconds", 5)) * Duration64.second,
                    term: Int64(number("--term-seconds", 20)) * 1000, stopShare: number("--stop-share", 0),
                    stopAfter: UInt64(number("--stop-after", 10)) * Duration64.second, livingFile: text("--living"))
                let load = try PublisherLoad(
                    token: holder, seeds: seed.split(separator: ",").map(String.init), publishing)
                print(try await load.run(seconds: UInt64(number("--seconds", 30))))
            default: fail(usage, code: 2)
            }
        } catch {
            fail("failed: \(error)", code: 1)
        }
    }

    private static func text(_ flag: String) -> String? {
        let arguments = CommandLine.arguments
        guard let index = arguments.firstIndex(of: flag), index + 1 < arguments.count else { return nil }
        return arguments[index + 1]
    }

    private static func number(_ flag: String, _ otherwise: Int) -> Int { text(flag).flatMap { Int($0) } ?? otherwise }

    private static func fail(_ words: String, code: Int32) -> Never {
        print(words)
        exit(code)
    }
}
