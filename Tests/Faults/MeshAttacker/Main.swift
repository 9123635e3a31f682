import Configuration
import EventThread
import Glibc
import Records

/// Floods a peer for the fault tests: `MeshAttacker FLOOD --seed HOST:PORT --token FILE [--rate N] [--seconds N]`.
/// The last line is how much was sent. With `list` it names the floods.
@main
struct MeshAttacker {
    static func main() async {
        let arguments = CommandLine.arguments.dropFirst()
        if arguments.first == "list" { return print(Flood.allCases.map(\.rawValue).joined(separator: "\n")) }
        guard let flood = arguments.first.flatMap(Flood.init(rawValue:)), let seed = value("--seed"),
            let token = value("--token")
        else {
            print("usage: MeshAttacker FLOOD --seed HOST:PORT --token FILE [--rate N] [--seconds N]")
            exit(2)
        }
        do {
            let sent = try await run(
                flood, seed: seed, token: token, rate: value("--rate").flatMap { Int($0) } ?? 10_000,
                seconds: value("--seconds").flatMap { UInt64($0) } ?? 5)
            print("sent \(sent)")
        } catch {
            print("failed: \(error)")
            exit(1)
        }
    }

    private static func value(_ flag: String) -> String? {
        let arguments = CommandLine.arguments
        guard let index = arguments.firstIndex(of: flag), index + 1 < arguments.count else { return nil }
        return arguments[index + 1]
    }

    private static func run(_ flood: Flood, seed: String, token: String, rate: Int, seconds: UInt64) async throws -> Int
    {
        let hostile = try HostilePeer(token: try TokenFile.load(token), seeds: [seed])
        try await hostile.start()
        var victim = try await hostile.neighbour(at: seed)
        let end = MonotonicClock.now() + 20 * Duration64.second
        while victim == nil, MonotonicClock.now() < end {
            try await Task.sleep(nanoseconds: 20 * Duration64.millisecond)
            victim = try await hostile.neighbour(at: seed)
        }
        guard let victim else { throw NoNeighbour(seed: seed) }
        let flooder = try Flooder(hostile: hostile, victim: victim.peer, key: victim.key, endpoints: victim.endpoints)
        print("ready")
        fflush(nil)
        // The harness takes its figures first.
        _ = readLine()
        let sent = try await flooder.run(flood, rate: rate, nanoseconds: seconds * Duration64.second)
        flooder.rig.close()
        hostile.stop()
        return sent
    }

    private struct NoNeighbour: Error {
        let seed: String
    }
}
