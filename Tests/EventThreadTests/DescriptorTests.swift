import CLinux
import EventThread
import Glibc
import Testing

@Suite("Descriptors of an event thread")
struct DescriptorTests {
    @Test("A handler is called when its descriptor is readable, and while it is")
    func readable() async throws {
        let thread = try EventThread.started()
        defer { thread.stop() }
        let pipe = Pipe()
        let record = Record<PollEvents>()
        _ = try await thread.perform {
            thread.register(descriptor: pipe.readEnd, events: .readable) { events in
                record.append(events)
                // Left unread once: level-triggered.
                if record.all.count == 2 { _ = pipe.read() }
            }
        }
        pipe.write("x")
        #expect(await thread.wait { record.all.count == 2 })
        _ = try await thread.perform {}
        #expect(record.all == [.readable, .readable])
        _ = try await thread.perform { thread.unregister(descriptor: pipe.readEnd) }
    }

    @Test("A descriptor that one handler unregisters doesn't reach its own handler in the same round")
    func unregistered() async throws {
        let thread = try EventThread.started()
        defer { thread.stop() }
        let (first, second) = (Pipe(), Pipe())
        let record = Record<String>()
        _ = try await thread.perform {
            first.write("x")
            second.write("x")
            thread.register(descriptor: first.readEnd, events: .readable) { _ in
                record.append("first")
                thread.unregister(descriptor: first.readEnd)
                // The same number with a new meaning.
                thread.unregister(descriptor: second.readEnd)
                thread.register(descriptor: second.readEnd, events: []) { _ in record.append("renewed") }
            }
            thread.register(descriptor: second.readEnd, events: .readable) { _ in record.append("second") }
        }
        #expect(await thread.wait { !record.all.isEmpty })
        _ = try await thread.perform { thread.unregister(descriptor: second.readEnd) }
        #expect(record.all == ["first"])
    }

    @Test("Events can be changed, and a hangup is reported without asking")
    func modify() async throws {
        let thread = try EventThread.started()
        defer { thread.stop() }
        var ends: [Int32] = [-1, -1]
        #expect(socketpair(AF_UNIX, Int32(SOCK_STREAM.rawValue), 0, &ends) == 0)
        let (ours, theirs) = (ends[0], ends[1])
        defer { close(ours) }
        let record = Record<PollEvents>()
        _ = try await thread.perform {
            thread.register(descriptor: ours, events: []) { events in
                record.append(events)
                thread.modify(descriptor: ours, events: [])
                if events.contains(.hangup) { thread.unregister(descriptor: ours) }
            }
            thread.modify(descriptor: ours, events: .writable)
        }
        #expect(await thread.wait { record.all.count == 1 })
        close(theirs)
        #expect(await thread.wait { record.all.count == 2 })
        #expect(record.all.first == .writable)
        #expect(record.all.last?.contains(.hangup) == true)
    }

    @Test("A hook with more to do keeps the thread from waiting")
    func beforePoll() async throws {
        let thread = try EventThread.started()
        defer { thread.stop() }
        let record = Record<Int>()
        _ = try await thread.perform {
            thread.beforePoll = {
                record.append(0)
                return record.all.count < 1000
            }
        }
        #expect(await thread.wait { record.all.count >= 1000 })
        _ = try await thread.perform { thread.beforePoll = nil }
    }
}
