import Mesh
import PeerLogic
import Records

/// A hash of everything that peers wanted done: equal for equal runs.
enum VirtualTrace {
    static func add(_ effect: PeerEffect, of node: Int, to trace: inout UInt64) {
        add([UInt8(truncatingIfNeeded: node)], to: &trace)
        switch effect {
        case .mesh(.send(let peer, let message)): add(peer.bytes + message.encoded, to: &trace)
        case .mesh(.publish(let peer, let head, let frame)): add(peer.bytes + head.encoded + frame, to: &trace)
        case .mesh(.changed(.record(let id, _, let version, _, _, _))):
            add(id.bytes + version.encoded, to: &trace)
        default: add(Array("\(effect)".utf8), to: &trace)
        }
    }

    private static func add(_ bytes: [UInt8], to trace: inout UInt64) {
        var hash = trace
        for byte in bytes { hash = (hash ^ UInt64(byte)) &* 0x100_0000_01B3 }
        trace = hash
    }
}
