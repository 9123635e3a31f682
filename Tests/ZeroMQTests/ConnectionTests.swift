import Testing
import ZeroMQ

@Suite("ZeroMQ connections")
struct ConnectionTests {
    @Test("Unbinding ends the connections that came in; clients are back by themselves once the port is bound again")
    func unbind() async throws {
        let rig = try await Rig()
        defer { rig.close() }
        let (arrived, events) = (Record<ZeroMQMessage>(), Record<ZeroMQMonitorEvent.Kind>())
        let endpoint = try await rig.perform { rig in
            let loop = try rig.running()
            let (router, dealer) = (try rig.socket(.router), try rig.socket(.dealer))
            loop.add(router) { arrived.append($0) }
            loop.add(try dealer.monitor()) { events.append($0.kind) }
            let endpoint = try router.bind("tcp://127.0.0.1:*")
            try dealer.connect(local(endpoint))
            #expect(try dealer.send([bytes("before")]))
            return endpoint
        }
        #expect(await rig.wait { arrived.all.count == 1 })
        try await rig.perform { try $0.sockets[0].unbind(endpoint) }
        #expect(await rig.wait { events.all.contains(.disconnected) })
        // The listener closes on libzmq's own thread.
        #expect(await rig.bindAgain(endpoint))
        #expect(await rig.wait { events.all.count { $0 == .handshakeSucceeded } == 2 })
        #expect(try await rig.perform { try $0.sockets[1].send([bytes("after")]) })
        await #expect(throws: ZeroMQError.self) {
            try await rig.perform { try $0.sockets[0].unbind("tcp://127.0.0.1:1") }
        }
        #expect(await rig.wait { arrived.all.map { $0.frames[1] } == [bytes("before"), bytes("after")] })
    }

    @Test("A message and the monitor name the TCP connection; other transports have none")
    func descriptor() async throws {
        let rig = try await Rig()
        defer { rig.close() }
        let (arrived, accepted) = (Record<ZeroMQMessage>(), Record<ZeroMQMonitorEvent>())
        try await rig.perform { rig in
            let loop = try rig.running()
            let (router, dealer, near) = (try rig.socket(.router), try rig.socket(.dealer), try rig.socket(.dealer))
            loop.add(router) { arrived.append($0) }
            loop.add(try router.monitor([.accepted])) { accepted.append($0) }
            try dealer.connect(local(try router.bind("tcp://127.0.0.1:*")))
            try near.connect(try router.bind("inproc://near"))
            #expect(try near.send([bytes("near")]))
            #expect(try dealer.send([bytes("far")]))
        }
        #expect(await rig.wait { arrived.all.count == 2 && accepted.all.count == 1 })
        let descriptors = Dictionary(uniqueKeysWithValues: arrived.all.map { ($0.frames[1], $0.descriptor) })
        #expect(descriptors[bytes("near")] == .some(nil))
        let descriptor = try #require(accepted.all.first?.descriptor)
        #expect(descriptor > 0 && descriptors[bytes("far")] == descriptor)
    }

    @Test("An XSUB subscribes like a SUB, and again by itself after its connection was lost")
    func subscriber() async throws {
        let rig = try await Rig()
        defer { rig.close() }
        let (news, subscriptions) = (Record<[UInt8]>(), Record<[UInt8]>())
        let endpoint = try await rig.perform { rig in
            let loop = try rig.running()
            let (publisher, subscriber) = (try rig.socket(.xpub), try rig.socket(.xsub))
            loop.add(publisher) { message in
                subscriptions.append(message.frames[0])
                for topic in ["a", "b"] {
                    _ = try? publisher.send([bytes(topic), bytes("\(subscriptions.all.count)")])
                }
            }
            loop.add(subscriber) { news.append($0.frames[0] + $0.frames[1]) }
            try subscriber.subscribe(bytes("a"))
            let endpoint = try publisher.bind("tcp://127.0.0.1:*")
            try subscriber.connect(local(endpoint))
            return endpoint
        }
        #expect(await rig.wait { news.all.count == 1 })
        try await rig.perform { try $0.sockets[0].unbind(endpoint) }
        #expect(await rig.bindAgain(endpoint))
        #expect(await rig.wait { news.all.count == 2 })
        // Its end takes the subscription back.
        #expect(subscriptions.all == [[1] + bytes("a"), [0] + bytes("a"), [1] + bytes("a")])
        #expect(news.all == ["a1", "a3"].map(bytes))
    }
}
