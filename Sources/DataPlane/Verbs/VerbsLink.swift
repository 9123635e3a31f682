import EventThread
import Records

/// Lanes over queue pairs of their own, each with a thread that moves its bytes.
struct VerbsLink: RDMALink {
    let fabric: VerbsFabric

    var destinations: DestinationRegions { fabric.destinations }

    func pump(for session: LaneSession) throws(LaneError) -> RDMAPump {
        do throws(EventThreadError) {
            let thread = try EventThread(name: "lane-rdma-cq")
            try thread.run()
            return RDMAPump(session, fabric, thread, endsThread: true) { VerbsDriver(thread) }
        } catch {
            throw .noResources(error.description)
        }
    }

    /// Makes a queue pair for each port, tells the source, and connects those that it connected.
    func exchange(
        over socket: Socket, _ opening: LaneOpening, _ layout: Layout
    ) throws(LaneError) -> (rails: [any RDMARail], arena: ArenaLayout) {
        let messages = RDMAMessages(socket: socket, sessionKey: opening.sessionKey, kind: .verbs)
        var pairs: [VerbsQueuePair] = []
        do throws(RDMAError) {
            for rail in try fabric.rails() {
                pairs.append(
                    try VerbsQueuePair(
                        rail, domain: rail.device.domain, settings: fabric.settings, isReadable: false, notifies: true))
            }
        } catch {
            throw .noResources(error.description)
        }
        let answer: VerbsAnswer = try ask(messages, VerbsRequest(ends: pairs.map(\.end)))
        guard !answer.rails.isEmpty else { throw .declined(answer.reason) }
        guard answer.rails.allSatisfy({ pairs.indices.contains($0.reader) }),
            let arena = ArenaLayout(layout, alignment: UInt64(answer.alignment))
        else { throw .protocolViolation("queue pairs for nobody, or an arena of alignment \(answer.alignment)") }
        var rails: [VerbsRail] = []
        for rail in answer.rails {
            let pair = pairs[rail.reader]
            do throws(RDMAError) {
                try pair.connect(to: rail.end)
            } catch {
                throw .unreachable(error.description)
            }
            rails.append(
                VerbsRail(pair: pair, key: rail.key, remote: rail.end.text, destinations: fabric.destinations))
        }
        return (rails, arena)
    }
}
