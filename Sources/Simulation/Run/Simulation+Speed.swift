import Records

/// Links and processors that are not as fast as the others.
extension Simulation {
    func thin(_ selected: [SimulatedPeer], to rate: Double, for duration: UInt64?) {
        for peer in selected {
            machines[peer.machine].uplink = rate
            machines[peer.machine].uplinkFreeAt = now
            if let duration { schedule(.speedsUp(machine: peer.machine), after: duration) }
        }
    }

    func slow(_ selected: [SimulatedPeer], by factor: Int, for duration: UInt64?) {
        for peer in selected {
            machines[peer.machine].slowness = UInt64(factor)
            if let duration { schedule(.speedsUp(machine: peer.machine), after: duration) }
        }
    }

    /// As fast as the others again; what waits for the link leaves when it was to leave.
    func speedUp(_ machine: Int) {
        machines[machine].uplink = nil
        machines[machine].slowness = 1
    }

    /// When the last byte has left a machine; all that it sends shares the link.
    func departure(of bytes: Int, from machine: Int, at time: UInt64) -> UInt64 {
        guard let rate = machines[machine].uplink else { return max(time, machines[machine].uplinkFreeAt) }
        let sending = UInt64(Double(bytes) / rate * Double(Duration64.second))
        machines[machine].uplinkFreeAt = max(time, machines[machine].uplinkFreeAt) + sending
        return machines[machine].uplinkFreeAt
    }

    /// Whether the queue to one neighbour has room for another frame: what a thin link leaves over is dropped in silence.
    func hasRoom(from peer: SimulatedPeer, to other: Int, at time: UInt64) -> Bool {
        guard machines[peer.machine].uplink != nil else { return true }
        peer.links[other].departures.removeAll { $0 <= time }
        return peer.links[other].departures.count < network.settings.gossipQueue
    }
}
