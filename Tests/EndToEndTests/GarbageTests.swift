import Glibc
import Testing

extension EndToEnd {
    @Suite("Strangers who send garbage")
    struct GarbageTests {
        /// To each port and socket.
        private static let connections = 100

        @Test("Garbage on every port and socket of a source doesn't keep a pull from completing")
        func garbageEverywhere() async throws {
            try await Cluster.run { cluster in
                let folder = try cluster.makeFolder("model")
                try await Models.plain(64, in: folder)
                let source = try await cluster.serve(folder, as: "m", ["--rate-limit", "20MB"])
                let pull = try await cluster.startPull("m", to: "copy", from: [source.bootstrap], lane: .tcp)
                try await cluster.served(source.name, moreThan: 0)

                let open = try await sendGarbage(to: cluster, source)
                #expect(pull.ending == nil, "the garbage came too late to be a test")
                let report = try await pull.completedPull()
                #expect(report.bytes == report.totalBytes)
                try await expectIdentical(folder, cluster.path("copy"))

                for descriptor in open { close(descriptor) }
                #expect(source.process.ending == nil)
                try await cluster.pull("m", to: "second", from: [source.bootstrap], lane: .sharedMemory)
                try await expectIdentical(folder, cluster.path("second"))
            }
        }

        /// Returns the connections, still open.
        private func sendGarbage(to cluster: Cluster, _ source: ServingPeer) async throws -> [Int32] {
            let status = try #require(try await cluster.status(of: source.name))
            let ports = [status.bootstrapPort, status.controlPort, status.gossipPort, status.dataPort]
            let folders = [cluster.stateFolder(of: source.name), cluster.laneSockets]
            let sockets = folders.flatMap { folder in
                Files.names(in: folder).filter { $0.hasSuffix(".sock") }.map { "\(folder)/\($0)" }
            }
            #expect(sockets.count >= 2, "a local socket and a lane's")
            return try await onOwnThread {
                var open: [Int32] = []
                var random = SeededRandom(seed: 7)
                for number in 0..<Self.connections {
                    let made = ports.map { RawSocket.connect(port: $0) } + sockets.map { RawSocket.connect(path: $0) }
                    for descriptor in made.compactMap(\.self) {
                        open.append(descriptor)
                        RawSocket.send(Self.garbage(number, &random), to: descriptor)
                    }
                }
                return open
            }
        }

        /// Random bytes, a request of another protocol, a message that never ends, or nothing at all.
        private static func garbage(_ number: Int, _ random: inout SeededRandom) -> [UInt8] {
            switch number % 5 {
            case 0: random.bytes(4096)
            case 1: Array("GET / HTTP/1.1\r\nHost: localhost\r\n\r\n".utf8)
            case 2: Array("MXLN".utf8) + random.bytes(20)
            case 3: Array(#"{"request":"pull","#.utf8)
            default: []
            }
        }
    }
}
