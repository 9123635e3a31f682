import CKernels
import Digest
import EventThread
import Records
import Testing

@testable import DataPlane

@Suite("Checksum kernels")
struct KernelTests {
    private static let bytes = FileContent.pattern(400, seed: 11)

    @Test("CRC32C equals the portable one for every length and alignment, in one go and in two")
    func everyLength() {
        Self.bytes.withUnsafeBytes { all in
            for length in 0...300 {
                for shift in [0, 1, 3, 8] {
                    let part = UnsafeRawBufferPointer(rebasing: all[shift..<shift + length])
                    let expected = CRC32C.checksum(part)
                    #expect(DataPlaneKernels.crc32c(part, 0) == expected)
                    let cut = length / 3
                    let first = DataPlaneKernels.crc32c(UnsafeRawBufferPointer(rebasing: part[..<cut]), 0)
                    #expect(
                        DataPlaneKernels.crc32c(UnsafeRawBufferPointer(rebasing: part[cut...]), first) == expected)
                }
            }
        }
    }

    @Test("CRC32C equals the portable one for long runs")
    func longRuns() {
        let long = FileContent.pattern(100_003, seed: 12)
        long.withUnsafeBytes { all in
            for length in [1024, 4095, 4096, 8193, 65_536, 100_003] {
                let part = UnsafeRawBufferPointer(rebasing: all[..<length])
                #expect(DataPlaneKernels.crc32c(part, 7) == CRC32C.checksum(part, seed: 7))
            }
        }
    }

    @Test("The copy with CRC32C copies exactly its range and gives the same sum")
    func copies() {
        Self.bytes.withUnsafeBytes { all in
            for length in 0...300 {
                var copy = [UInt8](repeating: 0xA5, count: length + 2)
                let part = UnsafeRawBufferPointer(rebasing: all[5..<5 + length])
                let crc = copy.withUnsafeMutableBytes {
                    mx_copy_crc32c($0.baseAddress?.advanced(by: 1), part.baseAddress, length, 9)
                }
                #expect(crc == CRC32C.checksum(part, seed: 9))
                #expect(copy == [0xA5] + Array(part) + [0xA5])
            }
        }
    }
}

@Suite("Rate limit")
struct TokenBucketTests {
    @Test("Over a long time exactly the rate goes through")
    func rate() {
        var bucket = TokenBucket(rate: 1_000_000, burst: 10_000_000)
        var now: UInt64 = 1_000_000_000
        let start = now
        for _ in 0..<1000 { now += bucket.take(50_000, now: now) }
        // 50 MB at 1 MB/s are 50 s, less the burst of 10 ms.
        #expect(now - start == 50_000_000_000 - 10_000_000)
    }

    @Test("Unused time counts for at most the burst")
    func burst() {
        var bucket = TokenBucket(rate: 1000, burst: 1_000_000_000)
        let waits = [(1000, 100), (1000, 100), (500, 101), (1000, 999), (1, 999)].map { bytes, second in
            bucket.take(bytes, now: UInt64(second) * 1_000_000_000)
        }
        #expect(waits == [0, 1_000_000_000, 500_000_000, 0, 1_000_000])
    }

    @Test("Sums that no clock reaches stay finite")
    func overflow() {
        var bucket = TokenBucket(rate: 1, burst: 0)
        let waits = (0..<10).map { _ in bucket.take(.max, now: 5) }
        #expect(waits.allSatisfy { $0 > 0 })
    }
}

@Suite("Lane frames and handshake")
struct LaneFrameTests {
    @Test("Frames have the documented bytes")
    func layout() {
        #expect(
            LaneRequest(id: 0x0403_0201, chunk: 5).encoded == [1, 0, 0, 0, 1, 2, 3, 4, 5, 0, 0, 0, 0, 0, 0, 0])
        #expect(
            LaneResponse(status: .sourceFailed, id: 1, length: 256).encoded
                == [3, 0, 0, 0, 1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0])
        let hello = LaneHello(kind: .tcp, lease: LeaseID(testDigest(1)), nonce: testDigest(2)).encoded
        #expect(hello.count == LaneHello.size)
        #expect(Array(hello.prefix(8)) == Array("MXLN".utf8) + [1, 4, 0, 0])
        #expect(LaneAnswer(nonce: testDigest(1), proof: testDigest(2)).encoded.count == LaneAnswer.size)
    }

    @Test("Frames come back as they went, and anything else is refused")
    func roundTrips() throws {
        let hello = LaneHello(kind: .sharedMemory, lease: LeaseID(testDigest(1)), nonce: testDigest(2))
        #expect(try LaneHello(decoding: hello.encoded) == hello)
        let answer = LaneAnswer(nonce: testDigest(1), proof: testDigest(2))
        #expect(try LaneAnswer(decoding: answer.encoded) == answer)
        for index in 0..<8 where index != 5 {
            var bytes = hello.encoded
            bytes[index] ^= 0xFF
            #expect(throws: WireError.self) { try LaneHello(decoding: bytes) }
        }
        #expect(throws: WireError.self) {
            try LaneRequest(decoding: [2] + [UInt8](repeating: 0, count: 15))
        }
    }

    @Test("A proof depends on key, role, lane, lease and both nonces")
    func proofs() {
        let hello = LaneHello(kind: .tcp, lease: LeaseID(testDigest(1)), nonce: testDigest(2))
        let other = [
            LaneHello(kind: .sharedMemory, lease: hello.lease, nonce: hello.nonce),
            LaneHello(kind: .tcp, lease: LeaseID(testDigest(9)), nonce: hello.nonce),
            LaneHello(kind: .tcp, lease: hello.lease, nonce: testDigest(9)),
        ]
        let proof = LaneHandshake.proof(
            of: .source, sessionKey: testDigest(3), hello: hello, sourceNonce: testDigest(4))
        var all = other.map {
            LaneHandshake.proof(of: .source, sessionKey: testDigest(3), hello: $0, sourceNonce: testDigest(4))
        }
        all.append(
            LaneHandshake.proof(of: .reader, sessionKey: testDigest(3), hello: hello, sourceNonce: testDigest(4)))
        all.append(
            LaneHandshake.proof(of: .source, sessionKey: testDigest(5), hello: hello, sourceNonce: testDigest(4)))
        all.append(
            LaneHandshake.proof(of: .source, sessionKey: testDigest(3), hello: hello, sourceNonce: testDigest(5)))
        #expect(Set(all + [proof]).count == 7)
        #expect(LaneHandshake.isEqual(proof, proof))
        #expect(!LaneHandshake.isEqual(proof, all[0]))
    }
}

@Suite("Bookkeeping of reads and buffers")
struct ReadBookkeepingTests {
    @Test("Reads go to the connection with the least to do, within the window")
    func window() {
        var queues = TCPReadQueues(window: 3, connections: 2)
        let accepted = (10..<15).map { queues.append(LaneRead(chunk: $0)) }
        #expect(accepted == [true, true, true, true, true])
        let started = (0..<4).map { _ in queues.start() }
        #expect(started.map { $0?.connection } == [0, 1, 0, nil])
        #expect(started.map { $0?.read.read.chunk } == [10, 11, 12, nil])
        #expect(queues.head(of: 1)?.read.chunk == 11)
        queues.finishHead(of: 1)
        #expect(queues.head(of: 1) == nil)
        let next = queues.start()
        #expect(next?.read.read.chunk == 13)
        let rest = [queues.takeAll(), queues.takeAll()]
        #expect(rest[0].map(\.chunk).sorted() == [10, 12, 13, 14])
        #expect(rest[1].isEmpty)
    }

    @Test("No more reads wait than the bound")
    func bound() {
        var queues = TCPReadQueues(window: 1, connections: 1)
        let accepted = (0...LaneLimits.waitingReads).map { queues.append(LaneRead(chunk: $0)) }
        #expect(accepted == [Bool](repeating: true, count: LaneLimits.waitingReads) + [false])
    }

    @Test("Closing the pool wakes who waits for a buffer")
    func poolCloses() async {
        let pool = ChunkBufferPool(bufferSize: 4096, capacity: 8192)
        let held = [pool.acquire { false }, pool.acquire { false }]
        #expect(held.allSatisfy { $0 != nil })
        async let waiting: Bool = offPool { pool.acquire { false } == nil }
        pool.close()
        #expect(await waiting)
        for case .some(let buffer) in held { pool.release(buffer) }
    }

    @Test("A buffer that is given back goes to who waits")
    func poolReturns() async {
        let pool = ChunkBufferPool(bufferSize: 4096, capacity: 8192)
        guard let first = pool.acquire(isCancelled: { false }), pool.acquire(isCancelled: { false }) != nil else {
            Issue.record("a new pool has buffers")
            return
        }
        async let waiting: Bool = offPool { pool.acquire { false } === first }
        pool.release(first)
        #expect(await waiting)
    }
}
