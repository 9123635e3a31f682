import Glibc
import Records
import Testing

@testable import SnapshotStore

@Suite(.serialized)
struct EmbeddedRedisTests {
    private func isAlive(_ process: Int32) -> Bool { kill(process, 0) == 0 }

    @Test("It starts, answers, is private to its user, and leaves nobody behind when stopped")
    func startsAndStops() async throws {
        let folder = try TemporaryFolder()
        let redis = try await EmbeddedRedis.start(in: folder.path + "/new/data")
        let child = try #require(redis.processID)
        var status = stat()
        try #require(stat(folder.path + "/new/data/redis.sock", &status) == 0)
        #expect(status.st_mode & 0o777 == 0o700)
        let raw = try RawRedis(redis.url)
        let port = try await raw.command("CONFIG", "GET", "port")
        #expect(port == .array([.bytes(Array("port".utf8)), .bytes(Array("0".utf8))]))
        raw.stop()
        await redis.stop()
        await redis.stop()
        #expect(!isAlive(child))
        #expect(redis.processID == nil)
    }

    @Test("A second server on the same folder is refused; after a stop the folder is free")
    func refusesSecond() async throws {
        let folder = try TemporaryFolder()
        let redis = try await EmbeddedRedis.start(in: folder.path)
        await #expect(throws: EmbeddedRedisError.inUse(folder: folder.path)) {
            try await EmbeddedRedis.start(in: folder.path)
        }
        #expect(redis.processID.map(isAlive) == true)
        await redis.stop()
        let second = try await EmbeddedRedis.start(in: folder.path)
        await second.stop()
    }

    @Test("A killed child is started again, with the data it had")
    func restartsChild() async throws {
        let folder = try TemporaryFolder()
        let redis = try await EmbeddedRedis.start(in: folder.path)
        let observed = try ObservedStore(redis.url)
        for number in 0..<100 { observed.store.put(Sample.record(number)) }
        #expect(await observed.store.flush(timeout: patience))
        let first = try #require(redis.processID)
        kill(first, SIGKILL)
        #expect(await eventually { redis.processID.map { $0 != first } ?? false })
        #expect(await eventually { observed.refillCount == 1 })
        #expect(try await observed.store.load().count == 100)
        await observed.store.stop()
        await redis.stop()
    }

    @Test("After SIGKILL of the server its child dies too, and the next start finds the data")
    func survivesKillOfEverything() async throws {
        let folder = try TemporaryFolder()
        let path = folder.path
        await #expect(processExitsWith: .signal(SIGKILL)) { [path = path as String] in
            let redis = try await EmbeddedRedis.start(in: path)
            let observed = try ObservedStore(redis.url)
            for number in 0..<100 { observed.store.put(Sample.record(number)) }
            guard await observed.store.flush(timeout: patience) else { exit(1) }
            kill(getpid(), SIGKILL)
        }
        let redis = try await EmbeddedRedis.start(in: path)
        let observed = try ObservedStore(redis.url)
        #expect(try await observed.store.load().count == 100)
        await observed.store.stop()
        await redis.stop()
    }

    @Test("A child of an earlier run that still has the folder open is ended, and its data kept")
    func endsLeftover() async throws {
        let folder = try TemporaryFolder()
        let data = try RedisDataFolder(folder.path)
        let output = try #require(try data.openOutput())
        let words = [
            "--port", "0", "--unixsocket", data.socket, "--dir", data.path, "--appendonly", "yes", "--save", "",
        ]
        let leftover = try RedisProcess(program: "redis-server", arguments: words, output: output)
        close(output)
        let observed = try ObservedStore(RedisURL(endpoint: .unixSocket(path: data.socket)))
        #expect(await observed.waitUntilConnected())
        observed.store.put(Sample.record(1))
        #expect(await observed.store.flush(timeout: patience))
        data.unlock()
        let redis = try await EmbeddedRedis.start(in: folder.path)
        #expect(await eventually { leftover.poll() != nil })
        #expect(await observed.waitUntilConnected())
        #expect(try await observed.store.load().count == 1)
        await observed.store.stop()
        await redis.stop()
    }

    @Test("A data folder whose socket path is too long is refused with advice")
    func refusesLongPath() async throws {
        let folder = try TemporaryFolder()
        let long = folder.path + "/" + String(repeating: "x", count: 90)
        await #expect(throws: EmbeddedRedisError.socketPathTooLong(path: long + "/redis.sock")) {
            try await EmbeddedRedis.start(in: long)
        }
        #expect(EmbeddedRedisError.socketPathTooLong(path: long).description.contains("--data-dir"))
    }

    @Test("Without redis-server in PATH the error says what to install")
    func saysWhatToInstall() async throws {
        let folder = try TemporaryFolder()
        await #expect(throws: EmbeddedRedisError.notInstalled(program: "no-such-redis-server")) {
            try await EmbeddedRedis.start(in: folder.path, program: "no-such-redis-server")
        }
        #expect(EmbeddedRedisError.notInstalled(program: "x").description.contains("apt-get install redis-server"))
    }

    @Test("A child that ends at once is reported with its last words, and the folder is free again")
    func reportsEarlyEnd() async throws {
        let folder = try TemporaryFolder()
        try #require(mkdir(folder.path + "/appendonlydir", 0o700) == 0)
        let manifest = try #require(fopen(folder.path + "/appendonlydir/appendonly.aof.manifest", "w"))
        fputs("this is no manifest\n", manifest)
        fclose(manifest)
        await #expect {
            try await EmbeddedRedis.start(in: folder.path)
        } throws: { error in
            guard case .ended(_, let output, _)? = error as? EmbeddedRedisError else { return false }
            return output.contains("manifest")
        }
        await #expect(throws: EmbeddedRedisError.self) {
            try await EmbeddedRedis.start(in: folder.path, program: "false")
        }
    }
}
