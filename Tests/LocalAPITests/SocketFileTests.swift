import EventThread
import Glibc
import LocalAPI
import Testing

/// What may lie at a server's path before it.
struct SocketFileTests {
    @Test("A socket that a killed process left is replaced")
    func stale() async throws {
        let folder = try TemporaryFolder()
        let dead = socket(AF_UNIX, Int32(SOCK_STREAM.rawValue), 0)
        try #require(RawClient.onAddress(folder.socket) { bind(dead, $0, $1) } == 0)
        close(dead)
        try await BlockingThread.run {
            #expect(throws: LocalClientError.noPeer(path: folder.socket)) { try LocalClient.connect(folder.socket) }
            let server = try LocalServer(path: folder.socket, handler: TestHandler())
            #expect(try ask(folder.socket, "echo", model: "m").first?.metrics == "m")
            server.stop()
        }
    }

    @Test("A living process's socket is left alone, and the error names it")
    func living() async throws {
        let folder = try TemporaryFolder()
        try await BlockingThread.run {
            let server = try LocalServer(path: folder.socket, handler: TestHandler())
            let error = #expect(throws: LocalServerError.self) {
                try LocalServer(path: folder.socket, handler: TestHandler())
            }
            #expect(error == .inUse(path: folder.socket, owner: Int(getpid())))
            #expect(error?.description.contains(folder.socket) == true)
            #expect(try ask(folder.socket, "echo", model: "m").first?.metrics == "m")
            server.stop()
        }
    }

    @Test("A file that is no socket is never removed")
    func otherFile() throws {
        let folder = try TemporaryFolder()
        close(open(folder.socket, O_CREAT | O_WRONLY, 0o600))
        #expect(throws: LocalServerError.notASocket(path: folder.socket)) {
            try LocalServer(path: folder.socket, handler: TestHandler())
        }
        #expect(access(folder.socket, F_OK) == 0)
    }

    @Test("A missing folder is made for its owner alone")
    func folderMode() async throws {
        let folder = try TemporaryFolder()
        try await BlockingThread.run {
            let server = try LocalServer(path: "\(folder.path)/state/s", handler: TestHandler())
            var status = stat()
            #expect(stat("\(folder.path)/state", &status) == 0)
            #expect(status.st_mode & 0o777 == 0o700)
            server.stop()
        }
    }

    @Test("A path that is too long for a socket is refused by its length")
    func longPath() {
        let path = "/tmp/" + String(repeating: "x", count: 103)
        #expect(throws: LocalServerError.pathTooLong(path: path)) {
            try LocalServer(path: path, handler: TestHandler())
        }
        #expect(throws: LocalClientError.self) { try LocalClient.connect(path) }
    }

    @Test("A folder that can't be made is an error with its reason")
    func noFolder() {
        #expect(throws: LocalServerError.self) {
            try LocalServer(path: "/proc/no-such-folder/s", handler: TestHandler())
        }
    }
}
