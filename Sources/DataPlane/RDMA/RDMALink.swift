import Records

/// What one kind of RDMA lane has of its own: how two sides connect, and what moves the bytes. The rest is RDMALaneReader's.
protocol RDMALink: Sendable {
    /// Where reads go, registered.
    var destinations: DestinationRegions { get }
    /// What will move the lane's bytes.
    func pump(for session: LaneSession) throws(LaneError) -> RDMAPump
    /// Says over the proved connection what we connect, and connects what the source answers. Blocks.
    func exchange(
        over socket: Socket, _ opening: LaneOpening, _ layout: Layout
    ) throws(LaneError) -> (rails: [any RDMARail], arena: ArenaLayout)
}

extension RDMALink {
    /// One question and its answer.
    func ask<Answer: WireCodable>(
        _ messages: RDMAMessages, _ request: some WireCodable
    ) throws(LaneError) -> Answer {
        do throws(SocketFailure) {
            try messages.send(request, as: .reader)
        } catch {
            throw .unreachable("while the lane was set up: \(error)")
        }
        do throws(RDMAMessages.Failure) {
            return try messages.receive(Answer.self, from: .source)
        } catch {
            switch error {
            case .socket(let failure): throw .unreachable("while the lane was set up: \(failure)")
            case .garbage(let what): throw .protocolViolation(what)
            case .unproved: throw .refused
            }
        }
    }
}
