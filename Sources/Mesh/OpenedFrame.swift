package import Digest
package import Records

/// A frame from the wire with what it says, decoded once and never changed; nothing of it is believed yet.
///
/// An object, so that all who hold the same frame share it: the simulator's thousands of peers, and a store of many records.
package final class OpenedFrame: Sendable {
    package enum Content: Sendable {
        case peer(PeerRecord)
        case announcement(Announcement)
        case beacon(Beacon)
    }

    package let bytes: [UInt8]
    /// Names the whole frame, signature included.
    package let digest: Digest256
    package let author: PeerID
    package let purpose: Purpose
    /// The name under which it is held; a beacon is held under its author's own record's.
    package let record: RecordID
    package let version: Version
    package let validity: Validity
    package let content: Content
    /// Of an announcement: whose content it offers or wants.
    package let source: SourceID?

    /// Nil for what is no frame, or a frame for a purpose that isn't gossiped. `digest` must be that of `bytes`.
    package init?(_ bytes: [UInt8], digest: Digest256) {
        guard bytes.count <= WireLimits.gossipFrame, let frame = try? SignedFrame(decoding: bytes) else { return nil }
        switch frame.purpose {
        case .peerRecord:
            guard let peer = try? PeerRecord(decoding: frame.payload) else { return nil }
            (content, version, validity) = (.peer(peer), peer.version, peer.validity)
            (record, source) = (RecordKeys.peer(frame.author), nil)
        case .announcement:
            guard let announcement = try? Announcement(decoding: frame.payload) else { return nil }
            (content, version, validity) = (.announcement(announcement), announcement.version, announcement.validity)
            let id = announcement.identity.id
            (record, source) = (RecordKeys.announcement(frame.author, id, rank: announcement.rank), id)
        case .beacon:
            guard let beacon = try? Beacon(decoding: frame.payload) else { return nil }
            (content, version, validity) = (.beacon(beacon), beacon.version, beacon.validity)
            (record, source) = (RecordKeys.peer(frame.author), nil)
        default: return nil
        }
        self.bytes = bytes
        self.digest = digest
        author = frame.author
        purpose = frame.purpose
    }

    /// Whether bytes that could not be opened are a record of this wire version with a value that isn't known here: a kind of lane, a
    /// state. A later release may have added it, and who passes it on has understood it.
    static func saysUnknown(_ bytes: [UInt8]) -> Bool {
        guard let frame = try? SignedFrame(decoding: bytes) else { return false }
        do {
            switch frame.purpose {
            case .peerRecord: _ = try PeerRecord(decoding: frame.payload)
            case .announcement: _ = try Announcement(decoding: frame.payload)
            case .beacon: _ = try Beacon(decoding: frame.payload)
            default: break
            }
            return false
        } catch WireError.unknownValue {
            return true
        } catch {
            return false
        }
    }

    package var announcement: Announcement? {
        if case .announcement(let announcement) = content { announcement } else { nil }
    }

    package var beacon: Beacon? {
        if case .beacon(let beacon) = content { beacon } else { nil }
    }

    package var peerRecord: PeerRecord? {
        if case .peer(let record) = content { record } else { nil }
    }

    /// The frame as it is signed; decoded anew, since it is wanted once, when its signature is checked.
    var signed: SignedFrame? { try? SignedFrame(decoding: bytes) }

    /// Whether both say the same: another signature under the same payload says nothing new.
    func saysTheSame(as other: OpenedFrame) -> Bool {
        digest == other.digest || signed?.payload == other.signed?.payload
    }
}

/// Opens frames. The simulator opens each frame once for all its peers; everybody else each time.
package protocol FrameOpening: Sendable {
    func digest(of bytes: [UInt8]) -> Digest256
    /// `digest` is that of `bytes`. Nil for what is no frame of the gossip.
    func open(_ bytes: [UInt8], digest: Digest256) -> OpenedFrame?
}

/// Opens a frame each time anew.
package struct PlainFrameOpening: FrameOpening {
    package init() {}

    package func digest(of bytes: [UInt8]) -> Digest256 { BLAKE2b.digest(bytes) }

    package func open(_ bytes: [UInt8], digest: Digest256) -> OpenedFrame? { OpenedFrame(bytes, digest: digest) }
}
