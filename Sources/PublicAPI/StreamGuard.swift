#if GRPC
import NIOCore
import NIOHPACK
import NIOHTTP2
import Telemetry

/// Counts what connections and calls hold, and ends those that go beyond what there is: the libraries below take a message of each
/// call into memory before anybody is asked.
final class StreamLedger: Sendable {
    private struct Held: Sendable {
        var connections = 0
        var streams = 0
        var bytes = 0
    }

    let limits: PublicAPILimits
    private let held = Guarded(Held())
    private let refusedConnections: Counter
    private let refusedStreams: Counter
    private let refusedBytes: Counter

    init(_ limits: PublicAPILimits, _ metrics: Metrics) {
        self.limits = limits
        func refused(_ what: String) -> Counter {
            metrics.counter(
                "modelexpress_grpc_over_limit_total",
                help: "Connections and calls that were ended since there were too many, or held too many bytes.",
                labels: [("limit", what)])
        }
        refusedConnections = refused("connections")
        refusedStreams = refused("streams")
        refusedBytes = refused("bytes")
        metrics.gauge("modelexpress_grpc_connections", help: "Connections to the gRPC port.") { [held] in
            Double(held.withLock { $0.connections })
        }
        metrics.gauge("modelexpress_grpc_streams", help: "Calls under way on the gRPC port.") { [held] in
            Double(held.withLock { $0.streams })
        }
        metrics.gauge("modelexpress_grpc_held_bytes", help: "Bytes that calls on the gRPC port hold.") { [held] in
            Double(held.withLock { $0.bytes })
        }
    }

    /// For each connection that was accepted.
    func admitConnection(_ channel: any Channel) -> EventLoopFuture<Void> {
        let isAdmitted = held.withLock { held in
            held.connections += 1
            return held.connections <= limits.connections
        }
        channel.closeFuture.whenComplete { [held] _ in held.withLock { $0.connections -= 1 } }
        guard isAdmitted else {
            refusedConnections.increment()
            return channel.close()
        }
        return channel.eventLoop.makeSucceededVoidFuture()
    }

    /// For each call that is begun.
    func admitStream(_ channel: any Channel) -> EventLoopFuture<Void> {
        channel.eventLoop.makeCompletedFuture {
            try channel.pipeline.syncOperations.addHandler(StreamGuard(ledger: self), position: .first)
        }
    }

    func beginStream() -> Bool {
        let isAdmitted = held.withLock { held in
            held.streams += 1
            return held.streams <= limits.streams
        }
        if !isAdmitted { refusedStreams.increment() }
        return isAdmitted
    }

    func endStream(bytes: Int) {
        held.withLock { held in
            held.streams -= 1
            held.bytes -= bytes
        }
    }

    func take(_ bytes: Int) -> Bool {
        let isTaken = held.withLock { held in
            held.bytes += bytes
            return held.bytes <= limits.heldBytes
        }
        if !isTaken { refusedBytes.increment() }
        return isTaken
    }
}

/// Stands between one call and its connection.
private final class StreamGuard: ChannelDuplexHandler {
    typealias InboundIn = HTTP2Frame.FramePayload
    typealias InboundOut = HTTP2Frame.FramePayload
    typealias OutboundIn = HTTP2Frame.FramePayload
    typealias OutboundOut = HTTP2Frame.FramePayload

    /// It lasts as long as somebody watches.
    private static let watchPath = "/grpc.health.v1.Health/Watch"

    private let ledger: StreamLedger
    private var held = 0
    private var isOver = false
    private var isBegun = false
    private var limit: Scheduled<Void>?

    init(ledger: StreamLedger) { self.ledger = ledger }

    func channelActive(context: ChannelHandlerContext) {
        if ledger.beginStream() {
            let seconds = TimeAmount.seconds(ledger.limits.callSeconds)
            limit = context.eventLoop.assumeIsolated().scheduleTask(in: seconds) { self.end(context) }
        } else {
            end(context)
        }
        context.fireChannelActive()
    }

    func channelInactive(context: ChannelHandlerContext) {
        limit?.cancel()
        limit = nil
        ledger.endStream(bytes: held)
        held = 0
        context.fireChannelInactive()
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        switch unwrapInboundIn(data) {
        case .headers(let headers) where headers.headers.first(name: ":path") == Self.watchPath: limit?.cancel()
        case .data(let payload):
            let count = payload.data.readableBytes
            held += count
            guard ledger.take(count), claims(payload.data) <= ledger.limits.messageBytes else { return end(context) }
        default: break
        }
        if !isOver { context.fireChannelRead(data) }
    }

    func write(context: ChannelHandlerContext, data: NIOAny, promise: EventLoopPromise<Void>?) {
        if case .data(let payload) = unwrapOutboundIn(data), !isOver {
            let count = payload.data.readableBytes
            held += count
            guard ledger.take(count) else {
                promise?.fail(ChannelError.outputClosed)
                return end(context)
            }
        }
        context.write(data, promise: promise)
    }

    /// The length that a call's first message claims, where it stands in the call's first bytes; a message that is too long is left to
    /// the library else, which ends its call with a less telling error.
    private func claims(_ data: IOData) -> Int {
        defer { isBegun = true }
        guard !isBegun, case .byteBuffer(let buffer) = data else { return 0 }
        return buffer.getInteger(at: buffer.readerIndex + 1, as: UInt32.self).map(Int.init) ?? 0
    }

    /// Says that it was too much, which gRPC reads as RESOURCE_EXHAUSTED.
    private func end(_ context: ChannelHandlerContext) {
        guard !isOver else { return }
        isOver = true
        context.writeAndFlush(wrapOutboundOut(.rstStream(.enhanceYourCalm)), promise: nil)
        context.close(promise: nil)
    }
}
#endif
