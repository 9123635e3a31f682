import CLinux
import EventThread
import Glibc
import Testing

@Suite("System calls that Swift can't make itself")
struct LinuxTests {
    private func socketPair() -> (Int32, Int32) {
        var ends: [Int32] = [-1, -1]
        let status = socketpair(AF_UNIX, Int32(SOCK_STREAM.rawValue), 0, &ends)
        precondition(status == 0, "no descriptors left")
        return (ends[0], ends[1])
    }

    @Test("Descriptors go through a Unix socket with their bytes")
    func passDescriptors() {
        let (left, right) = socketPair()
        defer { for end in [left, right] { close(end) } }
        let pipes = (0..<32).map { _ in Pipe() }
        let sent = pipes.flatMap { [$0.readEnd, $0.writeEnd] }
        #expect(mx_send_descriptors(left, "hello", 5, sent, sent.count) == 5)

        var bytes = [UInt8](repeating: 0, count: 16)
        var received = [Int32](repeating: -1, count: Int(MX_DESCRIPTORS_MAX))
        var count = 0
        #expect(mx_receive_descriptors(right, &bytes, 16, &received, received.count, &count) == 5)
        #expect(count == 64)
        #expect(bytes.prefix(5).elementsEqual("hello".utf8))
        #expect(write(received[3], "x", 1) == 1)
        #expect(pipes[1].read() == "x")
        #expect(received.allSatisfy { fcntl($0, F_GETFD) == FD_CLOEXEC })
        for descriptor in received { close(descriptor) }
    }

    @Test("Descriptors that don't fit are closed, and the call fails")
    func tooManyDescriptors() {
        let (left, right) = socketPair()
        defer { for end in [left, right] { close(end) } }
        // Alone on its pipe: once every copy of the write end is closed, reading gives the end.
        var ends: [Int32] = [-1, -1]
        #expect(pipe(&ends) == 0)
        #expect(mx_send_descriptors(left, "x", 1, [ends[1], ends[1], ends[1]], 3) == 1)
        close(ends[1])

        var byte: UInt8 = 0
        var received = [Int32](repeating: -1, count: 2)
        var count = 0
        #expect(mx_receive_descriptors(right, &byte, 1, &received, 2, &count) == -1)
        #expect(mx_errno() == EMSGSIZE)
        #expect(count == 0)
        #expect(read(ends[0], &byte, 1) == 0)
        close(ends[0])

        #expect(mx_send_descriptors(left, "", 0, nil, 0) == -1)
        #expect(mx_send_descriptors(left, "x", 1, received, 65) == -1)
        #expect(mx_errno() == EINVAL)
    }

    @Test("A sealed memory file can't be cut or grown")
    func seals() {
        let file = mx_memfd_create("test")
        defer { close(file) }
        #expect(ftruncate(file, 4096) == 0)
        #expect(mx_is_sealed_shared_memory(file) == 0)
        #expect(mx_seal_shared_memory(file) == 0)
        #expect(mx_is_sealed_shared_memory(file) == 1)
        #expect(ftruncate(file, 0) == -1)
        #expect(ftruncate(file, 8192) == -1)
        #expect(mx_is_sealed_shared_memory(STDERR_FILENO) == 0)
    }

    @Test("A locked file can't be locked again until its holder closes it")
    func lock() {
        let path = "/tmp/modelexpress-lock-test-\(getpid())"
        defer { unlink(path) }
        let (first, second) = (mx_open(path, O_RDWR | O_CREAT, 0o600), mx_open(path, O_RDWR, 0))
        #expect(mx_lock_file(first) == 0)
        #expect(mx_lock_file(second) == -1)
        #expect(mx_errno() == EAGAIN)
        close(first)
        #expect(mx_lock_file(second) == 0)
        close(second)
    }

    private func spawn(_ words: [String], output: Int32 = -1) -> (pid: pid_t, error: Int32) {
        var pointers: [UnsafeMutablePointer<CChar>?] = words.map { strdup($0) }
        defer { for pointer in pointers { free(pointer) } }
        pointers.append(nil)
        var error: Int32 = 0
        return (mx_spawn_child(words[0], &pointers, output, -1, &error), error)
    }

    private func waitForEnd(_ pid: pid_t, on thread: EventThread) async throws -> Int32 {
        let status = Record<Int32>()
        let ended = await thread.wait {
            var value: Int32 = 0
            if waitpid(pid, &value, WNOHANG) == pid { status.append(value) }
            return !status.all.isEmpty
        }
        #expect(ended)
        return try #require(status.all.first)
    }

    @Test("A child has its three descriptors and no other")
    func childDescriptors() async throws {
        let thread = try EventThread.started()
        defer { thread.stop() }
        let (output, leak) = (Pipe(), Pipe())
        #expect(fcntl(leak.readEnd, F_SETFD, 0) == 0)
        let child = try await thread.perform {
            self.spawn(
                ["sh", "-c", "for fd in /proc/self/fd/*; do echo ${fd##*/}; done; exit 7"], output: output.writeEnd)
        }
        #expect(child.pid > 0 && child.error == 0)
        let status = try await waitForEnd(child.pid, on: thread)
        #expect((status >> 8) & 0xFF == 7)
        let listed = Set(output.read().split(separator: "\n").compactMap { Int($0) })
        // 3 is what the shell reads the folder with.
        #expect(listed.isSuperset(of: [0, 1, 2]) && listed.isSubset(of: [0, 1, 2, 3]))
    }

    @Test("A program that isn't there is reported, and leaves no child")
    func missingProgram() {
        let child = spawn(["/nowhere/program"])
        #expect(child.pid == -1)
        #expect(child.error == ENOENT)
    }

    @Test("A child ends when the thread that made it does")
    func parentDeath() async throws {
        let (parent, watcher) = (try EventThread.started("parent"), try EventThread.started())
        defer { watcher.stop() }
        let child = try await parent.perform { self.spawn(["sleep", "1000"]) }
        #expect(child.pid > 0)
        parent.stop()
        #expect(try await waitForEnd(child.pid, on: watcher) & 0x7F == SIGTERM)
    }

    @Test("Blocked signals come out of a descriptor")
    func signals() async throws {
        let thread = try EventThread.started()
        defer { thread.stop() }
        let numbers = try await thread.perform {
            let descriptor = mx_signalfd_create([SIGUSR2], 1)
            defer { close(descriptor) }
            let before = mx_signalfd_next(descriptor)
            pthread_kill(pthread_self(), SIGUSR2)
            return [before, mx_signalfd_next(descriptor), mx_signalfd_next(descriptor)]
        }
        #expect(numbers == [0, SIGUSR2, 0])
    }
}
