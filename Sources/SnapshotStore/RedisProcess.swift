import CLinux
import Glibc

/// One redis-server child. It gets SIGTERM when the thread that made this value ends; for that thread only.
final class RedisProcess {
    let processID: pid_t
    /// Readable at its end when the child, and whatever it forked, is gone.
    let pipe: Int32
    private var status: Int32?

    /// Starts a child that writes to `output`, which stays the caller's.
    init(program: String, arguments: [String], output: Int32) throws(EmbeddedRedisError) {
        var ends: [Int32] = [-1, -1]
        guard Glibc.pipe(&ends) == 0 else { throw .spawn(cause: Self.text(mx_errno())) }
        for end in ends { _ = mx_set_close_on_exec(end) }
        _ = mx_set_nonblocking(ends[0], 1)
        var pointers: [UnsafeMutablePointer<CChar>?] = ([program] + arguments).map { strdup($0) }
        pointers.append(nil)
        var code: Int32 = 0
        let child = mx_spawn_child(program, pointers, output, ends[1], &code)
        for pointer in pointers { free(pointer) }
        close(ends[1])
        guard child > 0 else {
            close(ends[0])
            throw code == ENOENT ? .notInstalled(program: program) : .spawn(cause: Self.text(code))
        }
        processID = child
        pipe = ends[0]
    }

    deinit { close(pipe) }

    /// Reads away what the child wrote to its standard error, so that it never waits for us.
    func drain() {
        var buffer = [UInt8](repeating: 0, count: 4_096)
        while read(pipe, &buffer, buffer.count) > 0 {}
    }

    /// How it ended, or nil while it runs.
    func poll() -> String? {
        if status == nil {
            var result: Int32 = 0
            // Only this value waits for this child, so there is no other failure than an interruption.
            if waitpid(processID, &result, WNOHANG) == processID { status = result }
        }
        return status.map(Self.describe)
    }

    /// Does nothing once the child was reaped, when its number may be another's.
    func send(_ signal: Int32) {
        if status == nil { kill(processID, signal) }
    }

    private static func describe(_ status: Int32) -> String {
        let signal = status & 0x7F
        return signal == 0 ? "ended with status \(status >> 8 & 0xFF)" : "was ended by signal \(signal)"
    }

    private static func text(_ code: Int32) -> String { String(cString: strerror(code)) }
}
