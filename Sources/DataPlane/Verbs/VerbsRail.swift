import Glibc
import Telemetry

/// The reader's queue pair of one pair of ports, connected.
///
/// A final class, since one table of rails is shared by the thread that prepares reads and the one that posts them; constant.
final class VerbsRail: RDMARail, Sendable {
    let pair: VerbsQueuePair
    /// Opens the source's memory to this queue pair.
    let key: UInt32
    /// The source's address.
    let remote: String

    private let destinations: DestinationRegions

    init(pair: VerbsQueuePair, key: UInt32, remote: String, destinations: DestinationRegions) {
        self.destinations = destinations
        self.pair = pair
        self.key = key
        self.remote = remote
    }

    /// For people.
    var text: String { "\(pair.choice.text) (\(pair.choice.reason)) from \(remote)" }

    var device: String { pair.device.name }
    var port: UInt8 { pair.choice.port.number }
    var bytesRead: Counter { pair.device.metrics.bytesRead }

    func register(
        _ bytes: UnsafeMutableRawBufferPointer, of owner: AnyObject
    ) throws(RDMAError) -> DestinationRegions.Registration {
        try destinations.acquire(bytes, of: owner, on: pair.device) { () throws(RDMAError) in
            try VerbsRegion(filled: bytes, of: owner, on: pair.device)
        }
    }

    var isOpen: Bool { pair.descriptor != nil }

    func read(_ segment: RDMASchedule.Segment, id: UInt64, localKey: UInt32) -> String? {
        let status = pair.read(segment, id: id, localKey: localKey, remoteKey: key)
        return status == 0 ? nil : "a read could not be posted: \(String(cString: strerror(status)))"
    }

    func close(_ done: @escaping () -> Void) {
        // A device writes nothing for a queue pair that is no more.
        pair.destroy()
        done()
    }
}
