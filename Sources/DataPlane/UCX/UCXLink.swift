import Records

/// Lanes over UCX: all move their bytes on the fabric's one thread.
struct UCXLink: RDMALink {
    let fabric: UCXFabric

    var destinations: DestinationRegions { fabric.ports.destinations }

    func pump(for session: LaneSession) throws(LaneError) -> RDMAPump {
        RDMAPump(session, fabric.ports, fabric.thread, endsThread: false) { UCXDriver(fabric.engine) }
    }

    func exchange(
        over socket: Socket, _ opening: LaneOpening, _ layout: Layout
    ) throws(LaneError) -> (rails: [any RDMARail], arena: ArenaLayout) {
        let messages = RDMAMessages(socket: socket, sessionKey: opening.sessionKey, kind: .ucx)
        let request = UCXRequest(
            generation: opening.tag.generation, ends: fabric.readers.map { RDMAPortAddress($0.device.choice) })
        let answer: UCXAnswer = try ask(messages, request)
        guard answer.generation == request.generation else {
            throw .protocolViolation("an answer to generation \(answer.generation) of the lane")
        }
        guard !answer.rails.isEmpty else { throw .declined(answer.reason) }
        guard answer.rails.allSatisfy({ fabric.readers.indices.contains($0.reader) }),
            let arena = ArenaLayout(layout, alignment: UInt64(answer.alignment))
        else { throw .protocolViolation("workers for nobody, or an arena of alignment \(answer.alignment)") }
        return (answer.rails.map { UCXPath(fabric, fabric.readers[$0.reader], to: $0) }, arena)
    }
}
