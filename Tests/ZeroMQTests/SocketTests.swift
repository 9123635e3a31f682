import Telemetry
import Testing
import ZeroMQ

@Suite("ZeroMQ sockets")
struct SocketTests {
    @Test("A thousand queued messages are all read, though no new one wakes the thread")
    func drain() async throws {
        let rig = try await Rig()
        defer { rig.close() }
        let record = Record<[UInt8]>()
        try await rig.perform { rig in
            let (left, right) = (try rig.socket(.pair), try rig.socket(.pair))
            try right.bind("inproc://drain")
            try left.connect("inproc://drain")
            for number in 0..<1000 { #expect(try left.send([[UInt8(number % 251)], bytes("\(number)")])) }
            try rig.running().add(right) { record.append($0.frames[1]) }
        }
        #expect(await rig.wait { record.all.count == 1000 })
        #expect(record.all == (0..<1000).map { bytes("\($0)") })
    }

    @Test("Ten thousand answers to answers lose no wake-up")
    func pingPong() async throws {
        let rig = try await Rig()
        defer { rig.close() }
        let rounds = Guarded(0)
        try await rig.perform { rig in
            let (router, dealer) = (try rig.socket(.router), try rig.socket(.dealer))
            try dealer.connect(local(try router.bind("tcp://127.0.0.1:*")))
            let loop = try rig.running()
            loop.add(router) { message in _ = try? router.send(message.frames) }
            loop.add(dealer) { message in
                let round = rounds.withLock { count in
                    count += 1
                    return count
                }
                if round < 10_000 { _ = try? dealer.send(message.frames) }
            }
            #expect(try dealer.send([bytes("ball")]))
        }
        #expect(await rig.wait { rounds.withLock { $0 } == 10_000 })
    }

    @Test("Port 0 gives a real port, and a port in use is named with what to do")
    func portInUse() async throws {
        let rig = try await Rig()
        defer { rig.close() }
        try await rig.perform { rig in
            let endpoint = try rig.socket(.router).bind("tcp://*:0")
            #expect(Int(endpoint.split(separator: ":").last ?? "") ?? 0 > 1023)
            let second = try rig.socket(.router)
            let error = try #require(throws: ZeroMQError.self) { try second.bind(local(endpoint)) }
            #expect(error.isAddressInUse)
            #expect(
                error.description.hasPrefix(
                    "bind \(local(endpoint)): Address already in use; port in use: choose another"))
            #expect(throws: ZeroMQError.self) { try second.bind("tcp:/nonsense") }
        }
    }

    @Test("Sending to nobody answers false")
    func nobody() async throws {
        let rig = try await Rig()
        defer { rig.close() }
        try await rig.perform { rig in
            var options = ZeroMQSocketOptions()
            options.immediate = true
            let dealer = try rig.socket(.dealer, options)
            try dealer.connect("tcp://127.0.0.1:1")
            #expect(try !dealer.send([bytes("a"), bytes("b")]))
            let router = try rig.socket(.router)
            try router.bind("tcp://127.0.0.1:*")
            #expect(try !router.send([bytes("unknown"), bytes("b")]))
            #expect(try router.receive() == nil)
        }
    }

    @Test("A full queue answers false, and whole messages come out of it")
    func fullQueue() async throws {
        let rig = try await Rig()
        defer { rig.close() }
        try await rig.perform { rig in
            var options = ZeroMQSocketOptions()
            (options.sendHighWater, options.receiveHighWater) = (5, 5)
            let (left, right) = (try rig.socket(.pair, options), try rig.socket(.pair, options))
            try right.bind("inproc://full")
            try left.connect("inproc://full")
            var sent = 0
            while sent < 100, try left.send([bytes("\(sent)"), bytes("end")]) { sent += 1 }
            #expect(sent == 10)
            for number in 0..<sent { #expect(try right.receive()?.frames == [bytes("\(number)"), bytes("end")]) }
            #expect(try right.receive() == nil)
        }
    }

    @Test("A message with too many frames is dropped and counted, the next one arrives")
    func tooManyFrames() async throws {
        let rig = try await Rig()
        defer { rig.close() }
        try await rig.perform { rig in
            let (left, right) = (try rig.socket(.pair), try rig.socket(.pair))
            try right.bind("inproc://frames")
            try left.connect("inproc://frames")
            let most = [[UInt8]](repeating: [1], count: ZeroMQMessage.maximumFrames)
            for frames in [most + [[2]], most, most + most, [[3]]] { #expect(try left.send(frames)) }
            #expect(try right.receive()?.frames == most)
            #expect(right.hasInput)
            #expect(try right.receive()?.frames == [[3]])
            #expect(!right.hasInput)
        }
        #expect(
            Metrics.shared.exposition().contains(
                "modelexpress_zeromq_dropped_messages_total{reason=\"too_many_frames\"} 2\n"))
    }

    @Test("A publisher sees each subscription, and subscribers what they asked for")
    func publish() async throws {
        let rig = try await Rig()
        defer { rig.close() }
        let (subscriptions, news) = (Record<[UInt8]>(), Record<[[UInt8]]>())
        try await rig.perform { rig in
            let publisher = try rig.socket(.xpub)
            let endpoint = local(try publisher.bind("tcp://127.0.0.1:*"))
            try rig.running().add(publisher) { message in
                subscriptions.append(message.frames[0])
                // The second subscription to the same topic shows too.
                guard subscriptions.all.count == 2 else { return }
                for topic in ["b", "a"] { _ = try? publisher.send([bytes(topic), bytes("news")]) }
            }
            for _ in 0..<2 {
                let subscriber = try rig.socket(.sub)
                try subscriber.subscribe(bytes("a"))
                try subscriber.connect(endpoint)
                try rig.running().add(subscriber) { news.append($0.frames) }
            }
        }
        #expect(await rig.wait { news.all.count == 2 })
        #expect(subscriptions.all == [[1] + bytes("a"), [1] + bytes("a")])
        #expect(news.all == [[bytes("a"), bytes("news")], [bytes("a"), bytes("news")]])
    }

    @Test("REQ and REP talk in turn through the loop")
    func requestReply() async throws {
        let rig = try await Rig()
        defer { rig.close() }
        let answers = Record<[UInt8]>()
        try await rig.perform { rig in
            let (rep, req) = (try rig.socket(.rep), try rig.socket(.req))
            try req.connect(local(try rep.bind("tcp://127.0.0.1:*")))
            let loop = try rig.running()
            loop.add(rep) { _ = try? rep.send([$0.frames[0] + bytes("!")]) }
            loop.add(req) { message in
                answers.append(message.frames[0])
                if answers.all.count < 3 { _ = try? req.send([bytes("\(answers.all.count)")]) }
            }
            #expect(try req.send([bytes("0")]))
        }
        #expect(await rig.wait { answers.all.count == 3 })
        #expect(answers.all == ["0!", "1!", "2!"].map(bytes))
    }

    @Test("A frame over the limit ends the connection, and nothing of it arrives")
    func tooLarge() async throws {
        let rig = try await Rig()
        defer { rig.close() }
        let (events, arrived) = (Record<ZeroMQMonitorEvent.Kind>(), Record<ZeroMQMessage>())
        try await rig.perform { rig in
            var options = ZeroMQSocketOptions()
            options.maximumMessageSize = 1000
            let (router, dealer) = (try rig.socket(.router, options), try rig.socket(.dealer))
            let monitor = try dealer.monitor()
            try rig.running().add(monitor) { events.append($0.kind) }
            try rig.running().add(router) { arrived.append($0) }
            try dealer.connect(local(try router.bind("tcp://127.0.0.1:*")))
            #expect(try dealer.send([[UInt8](repeating: 0, count: 1001)]))
        }
        #expect(await rig.wait { events.all.contains(.disconnected) })
        #expect(events.all.first == .connected)
        #expect(arrived.all.isEmpty)
    }

    @Test("Ending a context with open sockets returns, and their calls say that the program is stopping")
    func terminate() async throws {
        let rig = try await Rig()
        defer { rig.close() }
        try await rig.perform { rig in
            let dealer = try rig.socket(.dealer)
            try dealer.connect("tcp://127.0.0.1:1")
            #expect(try dealer.send([bytes("never sent")]))
            rig.context.terminate()
            let error = try #require(throws: ZeroMQError.self) { try dealer.receive() }
            #expect(error.isTerminated)
            #expect(throws: ZeroMQError.self) { try rig.socket(.pair) }
            dealer.close()
            dealer.close()
            #expect(throws: ZeroMQError.self) { try dealer.send([[]]) }
            #expect(dealer.fileDescriptor == -1)
        }
    }
}
