package import Records

/// What one source gave to a pull, and why it was chosen or left: the lines of a transfer report. Times are nanoseconds
/// since the pull began to read.
package struct SourceTally: Hashable, Sendable {
    package let peer: PeerID
    /// The lane used last.
    package var lane: LaneKind?
    /// Every kind of lane that was opened, in order of first use.
    package var lanes: [LaneKind] = []
    package var bytes: UInt64 = 0
    package var chunks = 0
    package var failures = 0
    /// The last problem with it.
    package var note = ""
    /// When its first lease was granted, and when bytes came last.
    package var engagedAt: UInt64?
    package var lastActiveAt: UInt64?
    /// Why it was asked for a lease.
    package var chosen = ""
    /// Why it was left, or never engaged.
    package var left = ""
    /// How often it brought nothing for longer than it should have.
    package var late = 0
    /// Chunks asked of it that were asked of another source too.
    package var hedged = 0
    /// Chunks that it brought in place of another source.
    package var bounced = 0

    package init(peer: PeerID) { self.peer = peer }
}
