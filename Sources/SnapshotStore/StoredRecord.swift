package import Records

/// One signed record as it is kept in Redis: its author's bytes, verbatim, and what is needed to order and expire it.
/// Nothing in it is believed when it comes back: the frame is verified like one from the network.
package struct StoredRecord: Equatable, Sendable {
    /// The digest of the record's key.
    package let recordID: RecordID
    /// The peer that signed it.
    package let owner: PeerID
    package let kind: UInt8
    package let version: Version
    /// Milliseconds that it still holds, counted from the call it is passed to or comes from; 0 is expired.
    package let remainingLife: UInt64
    /// The signed bytes.
    package let frame: [UInt8]

    package init(
        recordID: RecordID, owner: PeerID, kind: UInt8, version: Version, remainingLife: UInt64, frame: [UInt8]
    ) {
        self.recordID = recordID
        self.owner = owner
        self.kind = kind
        self.version = version
        self.remainingLife = remainingLife
        self.frame = frame
    }
}
