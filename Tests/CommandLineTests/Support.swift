import Configuration
import Glibc
import LocalAPI
import Telemetry
import Testing

@testable import CommandLine

/// A folder of its own, gone at the end.
final class TemporaryFolder: Sendable {
    let path: String

    init() throws {
        var template = Array("/tmp/mx-cli-XXXXXX".utf8CString)
        try #require(mkdtemp(&template) != nil)
        path = String(decoding: template.dropLast().map { UInt8(bitPattern: $0) }, as: UTF8.self)
    }

    deinit {
        for name in [
            "root.key", "root.pub", "revocation.key", "revocations", "revocations.lock", "token", "other",
            "sidecar.sock", "sidecar.sock.lock",
        ] {
            unlink("\(path)/\(name)")
        }
        rmdir(path)
    }

    func mode(_ name: String) -> mode_t {
        var status = stat()
        return stat("\(path)/\(name)", &status) == 0 ? status.st_mode & 0o777 : 0
    }
}

/// A clock that the test moves.
final class TestClock: Sendable {
    private let time = Guarded(UInt64(1_000_000_000))

    var now: UInt64 { time.withLock { $0 } }

    func advance(milliseconds: UInt64) { time.withLock { $0 += milliseconds * 1_000_000 } }
}

/// A job event with what a test cares about.
func event(_ name: String, _ change: (inout JobEvent) -> Void = { _ in }) -> JobEvent {
    var event = JobEvent(event: name)
    change(&event)
    return event
}

func progress(_ bytes: UInt64, of total: UInt64, sources: Int? = nil) -> JobEvent {
    event("progress") {
        $0.bytes = bytes
        $0.totalBytes = total
        $0.sourceCount = sources
    }
}
