import Digest
import Foundation
import Records
import Testing

@testable import Simulation

@Suite("Parts of a simulation")
struct PartsTests {
    @Test("What is scheduled happens by time, and at one time in the order of scheduling")
    func queue() {
        var generator = SeededGenerator(seed: 1)
        var queue = EventQueue<Int>()
        var expected: [(time: UInt64, number: Int)] = []
        for number in 0..<2_000 {
            let time = UInt64.random(in: 0..<100, using: &generator)
            queue.insert(number, at: time)
            expected.append((time, number))
        }
        expected.sort { ($0.time, $0.number) < ($1.time, $1.number) }
        for entry in expected {
            #expect(queue.nextTime == entry.time)
            #expect(queue.removeFirst() == entry.number)
        }
        #expect(queue.nextTime == nil && queue.removeFirst() == nil)
    }

    @Test("A table of words gives what was put in, and nothing else")
    func words() {
        var generator = SeededGenerator(seed: 2)
        let keys = (0..<1_000).map { _ in generator.next() }
        var table = WordTable()
        for (value, key) in keys.enumerated() { table.insert(key, value) }
        for (value, key) in keys.enumerated() { #expect(table.value(of: key) == value) }
        for _ in 0..<1_000 { #expect(table.value(of: generator.next()) == nil) }
    }

    @Test("Latencies are drawn as their model says")
    func latencies() {
        var generator = SeededGenerator(seed: 3)
        let model = LatencyModel.lognormal(median: 1_000_000, sigma: 0.5)
        let draws = (0..<4_000).map { _ in model.draw(inOneZone: true, using: &generator) }.sorted()
        #expect(abs(Double(draws[2_000]) / 1e6 - 1) < 0.05, "the median")
        // A standard deviation above, of a normal distribution's logarithm.
        #expect(abs(Double(draws[3_365]) / 1e6 - exp(0.5)) < 0.1)
        let zones = LatencyModel.zones(inside: .constant(5), between: .constant(9))
        #expect(zones.draw(inOneZone: true, using: &generator) == 5)
        #expect(zones.draw(inOneZone: false, using: &generator) == 9)
    }

    @Test("The exponential function is that of the C library to nine digits", arguments: [-20.0, -1, 0, 0.3, 2.5, 30])
    func exponential(_ exponent: Double) {
        #expect(abs(Exponential.power(exponent) / exp(exponent) - 1) < 1e-9)
    }

    @Test("A latency of a pair is the same for each of its messages, and another one the other way")
    func pairs() {
        var settings = NetworkSettings()
        settings.latency = .uniform(10...1_000_000)
        settings.drawn = .pair
        var network = Network(settings: settings, zones: 1, seed: 4)
        #expect(network.latency(from: 1, to: 2) == network.latency(from: 1, to: 2))
        #expect(network.latency(from: 1, to: 2) != network.latency(from: 2, to: 1))
    }

    @Test("Only who holds a key signs as that key")
    func signatures() {
        let book = SignatureBook(seed: 5)
        let (mine, other) = (BLAKE2b.digest([1]), BLAKE2b.digest([2]))
        let message = Array("a message".utf8)
        let signature = book.signer(of: mine).sign(message)
        #expect(book.isValid(signature, of: message, by: mine))
        #expect(!book.isValid(signature, of: message, by: other))
        #expect(!book.isValid(signature, of: message + [0], by: mine))
        #expect(!SignatureBook(seed: 6).isValid(signature, of: message, by: mine))
        #expect(book.verifications == 3)
    }

    @Test("A one-way partition blocks one way")
    func oneWay() {
        var network = Network(settings: NetworkSettings(), zones: 1, seed: 6)
        let number = network.part([true, false, false], blocks: .inbound)
        #expect(network.isCut(from: 1, to: 0) && !network.isCut(from: 0, to: 1) && !network.isCut(from: 1, to: 2))
        #expect(network.isBroken(0, 1) && network.isParted(number))
        network.heal(number)
        #expect(!network.isBroken(0, 1))
    }
}
