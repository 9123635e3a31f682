import Glibc

/// Engines by the thousand that speak the public gRPC API, for Tests/Benchmarks: registers workers, then sends heartbeats or asks for
/// sources as fast as the server answers, and says as a line of JSON what came of it.
@main
enum Main {
    private static let usage = """
        usage: EngineLoad publish|update|list PORT [--workers N] [--models N] [--connections N] [--streams N] [--seconds N]

        publish sends each worker's metadata and first heartbeat once; update and list go on for so many seconds.
        """
    private static let service = "/model_express.p2p.P2pService/"

    static func main() {
        var arguments = Array(CommandLine.arguments.dropFirst())
        guard arguments.count >= 2, let port = UInt16(arguments[1]) else { return fail(usage) }
        let step = arguments[0]
        arguments.removeFirst(2)
        var options = ["workers": 10_000, "models": 100, "connections": 8, "streams": 32, "seconds": 5]
        while arguments.count >= 2 {
            guard let value = Int(arguments[1]), value > 0, options[String(arguments[0].dropFirst(2))] != nil else {
                return fail(usage)
            }
            options[String(arguments[0].dropFirst(2))] = value
            arguments.removeFirst(2)
        }
        let population = Population(workers: options["workers", default: 0], models: options["models", default: 0])
        let load = Load(
            port: port, connections: options["connections", default: 0], streams: options["streams", default: 0])
        let seconds = Double(options["seconds", default: 0])
        switch step {
        case "publish":
            load.run(service + "PublishMetadata", count: population.workers) { population.publish($0) }
            load.run(service + "UpdateStatus", count: population.workers) { population.update($0) }
        case "update":
            load.run(service + "UpdateStatus", seconds: seconds) { population.update($0 % population.workers) }
        case "list": load.run(service + "ListSources", seconds: seconds) { population.list($0) }
        default: return fail(usage)
        }
    }

    private static func fail(_ text: String) {
        print(text)
        exit(2)
    }
}

/// Drives all connections on one thread.
struct Load {
    /// After so long without an end the rest counts as lost, nanoseconds.
    private static let patience: UInt64 = 30_000_000_000

    let port: UInt16
    let connections: Int
    let streams: Int

    /// Calls with the messages of 0 and so on: `count` of them, or as many as begin within `seconds`.
    func run(_ path: String, count: Int = .max, seconds: Double = 1e6, _ message: @escaping (Int) -> [UInt8]) {
        var begun = 0
        let start = now()
        let end = start + UInt64(seconds * 1e9)
        let next: () -> [UInt8]? = {
            guard begun < count, now() < end else { return nil }
            begun += 1
            return message(begun - 1)
        }
        let all = (0..<connections).map { _ in Connection(port: port, path: path, streams: streams, next: next) }
        var buffer = [UInt8](repeating: 0, count: 1 << 18)
        var last = now()
        while all.contains(where: { !$0.isIdle && !$0.isBroken }), now() - last < Self.patience {
            var polls = all.map {
                pollfd(fd: $0.descriptor, events: Int16(POLLIN | ($0.wantsToWrite ? POLLOUT : 0)), revents: 0)
            }
            guard poll(&polls, nfds_t(polls.count), 1_000) > 0 else { continue }
            for (connection, entry) in zip(all, polls) where entry.revents != 0 && !connection.isBroken {
                if entry.revents & Int16(POLLOUT) != 0 { connection.flush() }
                if entry.revents & Int16(POLLIN | POLLHUP | POLLERR) != 0 { connection.receive(&buffer) }
                last = now()
            }
        }
        report(path, all, seconds: Double(now() - start) / 1e9, begun)
    }

    private func report(_ path: String, _ all: [Connection], seconds: Double, _ begun: Int) {
        let latencies = all.flatMap(\.tally.latencies).sorted()
        func milliseconds(_ share: Double) -> Double {
            latencies.isEmpty
                ? 0 : Double(latencies[min(latencies.count - 1, Int(share * Double(latencies.count)))]) / 1e6
        }
        let answered = all.reduce(0) { $0 + $1.tally.answered }
        let bytes = all.reduce(0) { $0 + $1.tally.bytes }
        print(
            "{\"method\":\"\(path.split(separator: "/").last ?? "")\",\"answered\":\(answered),"
                + "\"failed\":\(begun - answered),\"seconds\":\(seconds),\"per_second\":\(Double(answered) / seconds),"
                + "\"bytes_each\":\(bytes / max(1, answered)),\"p50_ms\":\(milliseconds(0.5)),"
                + "\"p99_ms\":\(milliseconds(0.99))}")
    }
}
