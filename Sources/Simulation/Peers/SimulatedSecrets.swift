import Digest
import PeerLogic
import Records
import Synchronization
import Trust

/// A peer's keys and its unpredictable numbers, all drawn from its part of the seed.
final class SimulatedSecrets: PeerSecrets {
    let signer: any MessageSigner
    let curveKey: CurveKey
    private let generator: Mutex<SeededGenerator>

    init(book: SignatureBook, generator: SeededGenerator) {
        var generator = generator
        signer = book.signer(of: Self.digest(&generator))
        curveKey = CurveKey(Self.digest(&generator))
        self.generator = Mutex(generator)
    }

    func unpredictable() -> Digest256 { generator.withLock { Self.digest(&$0) } }

    static func digest(_ generator: inout SeededGenerator) -> Digest256 {
        Digest256(generator.nextBytes(Digest256.byteCount)) ?? .zero
    }
}
