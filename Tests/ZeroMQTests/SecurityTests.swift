import Testing
import ZeroMQ

@Suite("CURVE and ZAP")
struct SecurityTests {
    @Test("An admitted key talks, and its messages carry the user id that ZAP gave it")
    func accepted() async throws {
        let rig = try await Rig()
        defer { rig.close() }
        let (server, client) = (Identity(), Identity())
        let (asked, arrived, answers) = (Record<ZapRequest>(), Record<ZeroMQMessage>(), Record<ZeroMQMessage>())
        try await rig.perform { rig in
            let loop = try rig.running()
            _ = try ZapServer(context: rig.context, loop: loop) { request in
                asked.append(request)
                return .accept(userID: "peer-7")
            }
            let router = try rig.socket(.router, server.serverOptions)
            let dealer = try rig.socket(.dealer, client.clientOptions(server: server.publicKey))
            loop.add(router) { message in
                arrived.append(message)
                _ = try? router.send([message.frames[0], bytes("welcome")])
            }
            loop.add(dealer) { answers.append($0) }
            // Over both IP versions: the address must read as IPv4 all the same.
            try dealer.connect(local(try router.bind("tcp://*:*")))
            #expect(try dealer.send([bytes("hello"), []]))
        }
        #expect(await rig.wait { !answers.all.isEmpty })
        #expect(
            asked.all == [
                ZapRequest(domain: "mesh", address: "127.0.0.1", mechanism: .curve(clientKey: client.publicKey))
            ])
        #expect(arrived.all.map { Array($0.frames.dropFirst()) } == [[bytes("hello"), []]])
        #expect(arrived.all.first?.userID == "peer-7")
        #expect(arrived.all.first?.peerAddress == "127.0.0.1")
        #expect(answers.all.first?.frames == [bytes("welcome")])
        #expect(answers.all.first?.userID == nil)
    }

    @Test("A refused key gets a 400 and is not heard")
    func refused() async throws {
        let rig = try await Rig()
        defer { rig.close() }
        let (server, friend, stranger) = (Identity(), Identity(), Identity())
        let (arrived, events) = (Record<ZeroMQMessage>(), Record<ZeroMQMonitorEvent.Kind>())
        try await rig.perform { rig in
            let loop = try rig.running()
            _ = try ZapServer(context: rig.context, loop: loop) { request in
                request.mechanism == .curve(clientKey: friend.publicKey)
                    ? .accept(userID: "friend") : .refuse(code: 400, reason: "unknown key")
            }
            let router = try rig.socket(.router, server.serverOptions)
            let endpoint = local(try router.bind("tcp://127.0.0.1:*"))
            loop.add(router) { arrived.append($0) }
            let refused = try rig.socket(.dealer, stranger.clientOptions(server: server.publicKey))
            loop.add(try refused.monitor()) { events.append($0.kind) }
            try refused.connect(endpoint)
            #expect(try refused.send([bytes("let me in")]))
        }
        #expect(await rig.wait { events.all.contains(.handshakeFailedAuthentication(status: 400)) })
        #expect(!events.all.contains(.handshakeSucceeded))
        #expect(arrived.all.isEmpty)
    }

    @Test("A client without CURVE doesn't get past a CURVE server")
    func plain() async throws {
        let rig = try await Rig()
        defer { rig.close() }
        let server = Identity()
        let (arrived, events) = (Record<ZeroMQMessage>(), Record<ZeroMQMonitorEvent.Kind>())
        try await rig.perform { rig in
            let loop = try rig.running()
            _ = try ZapServer(context: rig.context, loop: loop) { _ in .accept(userID: "anybody") }
            let router = try rig.socket(.router, server.serverOptions)
            loop.add(router) { arrived.append($0) }
            loop.add(try router.monitor()) { events.append($0.kind) }
            let dealer = try rig.socket(.dealer)
            try dealer.connect(local(try router.bind("tcp://127.0.0.1:*")))
            #expect(try dealer.send([bytes("let me in")]))
        }
        #expect(
            await rig.wait {
                events.all.contains {
                    if case .handshakeFailedProtocol = $0 { true } else { false }
                }
            })
        #expect(arrived.all.isEmpty)
    }

    @Test(
        "A request that ZAP can't read is refused",
        arguments: [["1.0"], ["0.9", "7", "d", "a", "", "NULL"], ["1.0", "7", "d", "a", "", "CURVE", "short"]])
    func malformed(words: [String]) async throws {
        let rig = try await Rig()
        defer { rig.close() }
        let (asked, replies) = (Record<ZapRequest>(), Record<[[UInt8]]>())
        try await rig.perform { rig in
            let loop = try rig.running()
            _ = try ZapServer(context: rig.context, loop: loop) { request in
                asked.append(request)
                return .accept(userID: "")
            }
            let session = try rig.socket(.req)
            try session.connect("inproc://zeromq.zap.01")
            loop.add(session) { replies.append($0.frames) }
            #expect(try session.send(words.map(bytes)))
        }
        #expect(await rig.wait { replies.all.count == 1 })
        let reply = try #require(replies.all.first)
        #expect(reply.count == 6)
        #expect(reply[0] == bytes("1.0"))
        #expect(reply[1] == (words.count > 1 ? bytes("7") : []))
        #expect(reply[2] == bytes("400"))
        #expect(asked.all.isEmpty)
    }

    @Test("Keys have 32 bytes, differ, and the public one follows from the secret one")
    func keys() {
        let (first, second) = (Identity(), Identity())
        #expect(first.publicKey.count == CurveKeys.length && first.secretKey.count == CurveKeys.length)
        #expect(first.secretKey != second.secretKey && first.publicKey != second.publicKey)
        #expect(CurveKeys.publicKey(secretKey: first.secretKey) == first.publicKey)
    }
}
