import EventThread
import Testing

@Suite("The pool of worker threads")
struct WorkerPoolTests {
    @Test("A full queue refuses work, and a stop waits for what was accepted")
    func boundAndStop() async throws {
        let pool = try WorkerPool(name: "pool-test", threads: 2, capacity: 8)
        let gates = [Pipe(), Pipe()]
        let entered = Record<Bool>()
        let done = Record<Int>()
        for gate in gates {
            pool.submit {
                entered.append(true)
                _ = gate.read()
            }
        }
        while entered.all.count < 2 { await Task.yield() }
        for number in 0..<8 { #expect(pool.submit { done.append(number) }) }
        #expect(!pool.submit { done.append(-1) })
        for gate in gates { gate.write("x") }
        pool.stop()
        #expect(done.all.sorted() == Array(0..<8))
        #expect(!pool.submit { done.append(-1) })
    }
}
