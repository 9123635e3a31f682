import Records

/// Bounds of one pull. Times are nanoseconds.
package struct FanInConfiguration: Hashable, Sendable {
    /// Sources read from at once (transfer.md: 4 to 8); as many as `SourceLedger` has slots, see there.
    package var activeSources = 4
    /// Reads in flight on a fresh lane: one travels while one is served.
    package var firstWindow = 2
    /// A window may grow to this many reads, or to `windowFactor` times what is in the wire at once (bandwidth x delay), whichever
    /// is more; the lease bounds it too.
    package var leastWindowCap = 4
    package var windowFactor = 4.0
    /// How long a probe or a lease request may stay unanswered.
    package var answerTimeout: UInt64 = Duration64.second
    /// How long a lane may take to open.
    package var openTimeout: UInt64 = 3 * Duration64.second
    /// The same over UCX, which sets its connections up by messages of its own: seconds on a busy machine.
    package var ucxOpenTimeout: UInt64 = 10 * Duration64.second
    /// Busy time after which a measured rate counts half: several times what TCP takes to find its speed.
    package var rateMemory: UInt64 = Duration64.second
    /// How often lanes say that bytes of unfinished reads came.
    package var arrivalPeriod: UInt64 = 20 * Duration64.millisecond
    /// A source that brings nothing for the greater of this and `lateFactor` times what was expected is late: it gets no reads, and
    /// those it has may be read elsewhere too. A busy machine has pauses of 50 ms.
    package var leastLateness: UInt64 = 50 * Duration64.millisecond
    package var lateFactor = 4.0
    /// The same before anything was measured on a lane.
    package var firstLateness: UInt64 = Duration64.second
    /// A source that brings nothing for the greater of this and `deadFactor` times what was expected loses its lane.
    package var leastDeadline: UInt64 = Duration64.second
    package var deadFactor = 8.0
    /// The same before anything was measured on a lane (transfer.md: 2 s for the first read).
    package var firstDeadline: UInt64 = 2 * Duration64.second
    /// No lateness is judged over more than this, however slow a source is.
    package var longestDeadline: UInt64 = 60 * Duration64.second
    /// Reads into bounce chunks on one lane (transfer.md: 2).
    package var bounceChunks = 2
    /// A chunk is read a second time when that brings it in less than this part of the time that the first read still needs.
    package var hedgeGain = 0.6
    /// A source gets no chunk that others bring in less than this part of its time: the rest is for errors of measurement.
    package var lookAheadMargin = 0.98
    /// Each question that was not answered in time doubles the time for the next one, so often at most: a busy source takes longer.
    package var answerDoublings = 2
    /// How long a source is left alone after it failed.
    package var coolDown: UInt64 = 2 * Duration64.second
    /// The same after a question that was not answered in time: the source may only have been busy.
    package var silenceCoolDown: UInt64 = 500 * Duration64.millisecond
    /// How soon a source that had nothing for us, or no slot, is asked again.
    package var recheck: UInt64 = 50 * Duration64.millisecond
    /// Each further "busy" of a source doubles the pause that it names, so often at most: a crowd must not drown it in questions.
    package var busyDoublings = 2
    /// How long a source may have nothing that is missing before it yields its place to another.
    package var starvation: UInt64 = 500 * Duration64.millisecond
    /// A source slower than this part of what the others bring on average is exchanged when another can be had, at most once in
    /// this time: so a crowd moves from the relays that came first, and are full, to those that came later.
    package var swapRatio = 0.6
    package var swapPeriod: UInt64 = 500 * Duration64.millisecond
    /// How often a far source may be exchanged for a near one.
    package var nearingPeriod: UInt64 = 200 * Duration64.millisecond
    /// Wrong chunks from one source before it is not asked again in this pull.
    package var wrongChunks = 2
    /// Without progress for this long the pull fails (`MX_TRANSFER_STALL`).
    package var stall: UInt64 = 30 * Duration64.second
    /// The same while sources say that they are alive and busy: a place becomes free when another reader is done.
    package var queueStall: UInt64 = 150 * Duration64.second
    /// The same once every source that is announced gave wrong bytes: only a new one could help.
    package var hopelessStall: UInt64 = 3 * Duration64.second
    /// Bytes of unfinished reads that count as progress: a source that drips can't keep a pull alive for ever.
    package var leastProgress = 64 << 10
    /// Nothing came for this long, or less from near than a far source would bring: another of a zone may read a chunk over the link.
    package var zonePatience: UInt64 = Duration64.second
    package var zoneIdle: UInt64 = 200 * Duration64.millisecond
    /// Sources told of in a report; the rest is counted.
    package var tallies = 64
    /// Sources that are no longer announced and gave nothing, kept in mind at most.
    package var strangers = 256

    package init() {}
}
