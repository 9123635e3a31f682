import Records
import Testing
import ZeroMQ

@testable import MeshTransport

@Suite("What libzmq runs with", .serialized)
struct OptionSheetTests {
    @Test("The mesh's sockets have the options of the sheet, read back from libzmq")
    func sheet() async throws {
        let (here, other) = (try await SocketPeer(), try await SocketPeer())
        try await here.meet(other)
        let id = other.id
        let read = try await here.with { sockets in
            let channel = try #require(sockets.channels[id])
            return [
                "router": try options(sockets.listening[.control]?.socket.socket),
                "xpub": try options(sockets.listening[.gossip]?.socket.socket),
                "dealer": try options(channel.dealer.socket), "xsub": try options(channel.subscriber?.socket),
            ]
        }
        var common: [ZeroMQReadableOption: Int64] = [
            .linger: 0, .reconnectInterval: 100, .reconnectIntervalMaximum: 10_000, .connectTimeout: 2_000,
            .handshakeInterval: 5_000, .keepalive: 1, .keepaliveIdle: 10, .keepaliveInterval: 5, .keepaliveCount: 3,
            .retransmitTimeout: 15_000, .heartbeatInterval: 0, .ipv6: 1, .backlog: 1_024, .immediate: 0,
        ]
        common[.curveServer] = 1
        let control = WireLimits.controlMessage + TransportLimits.frameAllowance
        let gossip = WireLimits.gossipFrame + TransportLimits.frameAllowance
        expect(read["router"], common, size: control, send: 48, receive: 48)
        expect(read["xpub"], common, size: 512, send: 1_000, receive: 48)
        common[.curveServer] = 0
        expect(read["xsub"], common, size: gossip, send: 1_000, receive: 1_000)
        common[.immediate] = 1
        expect(read["dealer"], common, size: control, send: 48, receive: 48)
        let domains = try await here.with { sockets in
            try SocketRole.allCases.map { try sockets.listening[$0]?.socket.socket.zapDomain() ?? "" }
        }
        #expect(domains == ["control", "gossip"])
        for peer in [here, other] { try await peer.close() }
    }

    private func expect(
        _ read: [ZeroMQReadableOption: Int64]?, _ common: [ZeroMQReadableOption: Int64], size: Int, send: Int64,
        receive: Int64, _ location: SourceLocation = #_sourceLocation
    ) {
        let own: [ZeroMQReadableOption: Int64] = [
            .maximumMessageSize: Int64(size), .sendHighWater: send, .receiveHighWater: receive,
        ]
        #expect(read == common.merging(own) { $1 }, sourceLocation: location)
    }
}

private func options(_ socket: ZeroMQSocket?) throws -> [ZeroMQReadableOption: Int64] {
    let socket = try #require(socket)
    var values: [ZeroMQReadableOption: Int64] = [:]
    for option in ZeroMQReadableOption.allCases { values[option] = try socket.value(of: option) }
    return values
}
