import Records

/// Bounds of one pull. Times are nanoseconds.
package struct FanInConfiguration: Hashable, Sendable {
    /// Sources read from at once (transfer.md: 4 to 8).
    package var activeSources = 4
    /// Reads in flight on one lane, also bounded by the lease.
    package var window = 4
    /// How long a probe or a lease request may stay unanswered.
    package var answerTimeout: UInt64 = Duration64.second
    /// How long a lane may take to open.
    package var openTimeout: UInt64 = 3 * Duration64.second
    /// The least time that a read is given, and the multiple of its expected time (bytes in flight / measured rate).
    package var readTimeout: UInt64 = 2 * Duration64.second
    package var latenessFactor = 4.0
    /// How long a source is left alone after it failed.
    package var coolDown: UInt64 = 2 * Duration64.second
    /// The same after a question that was not answered in time: the source may only have been busy.
    package var silenceCoolDown: UInt64 = 500 * Duration64.millisecond
    /// How soon a source that had nothing for us, or no slot, is asked again.
    package var recheck: UInt64 = 50 * Duration64.millisecond
    /// Wrong chunks from one source before it is not asked again in this pull.
    package var wrongChunks = 2
    /// Without progress for this long the pull fails (`MX_TRANSFER_STALL`).
    package var stall: UInt64 = 30 * Duration64.second
    /// The same once every source that is announced gave wrong bytes: only a new one could help.
    package var hopelessStall: UInt64 = 3 * Duration64.second
    /// Missing chunks looked at to find the rarest that a source has.
    package var rarestSample = 64

    package init() {}
}
