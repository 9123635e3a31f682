import Glibc
import Telemetry

/// What an `EventThread` does each round. Confined to that thread; see there.
final class EventLoop {
    let polls: PollSet
    var timers = TimerHeap()
    var beforePoll: (() -> Bool)?
    private let mailbox: Mailbox
    private let threadName: String
    private let log = Log(component: "event-thread")

    init(mailbox: Mailbox, threadName: String) {
        self.mailbox = mailbox
        self.threadName = threadName
        polls = PollSet(doorbell: mailbox.doorbell)
    }

    /// Returns once the mailbox is closed and all it had accepted has run.
    func run() {
        while true {
            // Asked first: what is closed takes nothing more in, so an empty batch afterwards is the last.
            let isClosing = mailbox.isClosed
            let isMoreMail = runMailbox()
            if isClosing && !isMoreMail { break }
            fireTimers()
            let isMoreWork = beforePoll?() ?? false
            wait(timeout: isMoreMail || isMoreWork ? 0 : timeUntilNextTimer())
        }
        timers.removeAll()
        polls.removeAll()
        beforePoll = nil
    }

    /// For a thread that never ran.
    func abandonMailbox() {
        var isMore = true
        while isMore {
            let batch = mailbox.take(EventThread.mailboxBatch)
            for item in batch.items { item.abandon?() }
            isMore = batch.isMore
        }
    }

    private func runMailbox() -> Bool {
        let batch = mailbox.take(EventThread.mailboxBatch)
        for item in batch.items { item.run() }
        return batch.isMore
    }

    /// Those that a timer schedules at once wait for the next round, so that it ends.
    private func fireTimers() {
        guard timers.count > 0 else { return }
        for timer in timers.popDue(now: MonotonicClock.now()) {
            // Taken out before it runs: it may schedule and cancel others.
            let work = timers.take(timer)
            work?()
        }
    }

    private func timeUntilNextTimer() -> UInt64? {
        guard let deadline = timers.nextDeadline() else { return nil }
        let now = MonotonicClock.now()
        return deadline > now ? deadline - now : 0
    }

    private func wait(timeout: UInt64?) {
        let (doorbell, ready) = polls.wait(timeout: timeout)
        if doorbell { mailbox.answerDoorbell() }
        for (descriptor, number, events) in ready {
            guard let handler = polls.handler(descriptor, number: number) else { continue }
            if events.contains(.invalid) {
                log.error(
                    "a registered descriptor was closed", [("thread", threadName), ("descriptor", descriptor)])
                polls.remove(descriptor)
            }
            handler(events)
        }
    }
}
