import Digest
import PeerLogic
import Records
import Signing
import Testing
import Trust

@Suite struct Ed25519Tests {
    /// RFC 8032, 7.1, test 2.
    @Test("A signature is the one that RFC 8032 gives")
    func vector() throws {
        let seed = try #require(
            Hexadecimal.decode("4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb"))
        let signer = try #require(Ed25519Signer(seed: seed))
        let expected =
            "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da"
            + "085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00"
        #expect(
            "\(signer.publicKey)" == "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c")
        #expect(Hexadecimal.encode(signer.sign([0x72]).bytes) == expected)
    }

    @Test("A changed message, signature or key does not verify")
    func tampering() throws {
        let (signer, _) = Ed25519Signer.generate()
        let (other, _) = Ed25519Signer.generate()
        let signature = signer.sign([1, 2, 3])
        let verifier = Ed25519Verifier()
        #expect(verifier.isValid(signature, of: [1, 2, 3], by: signer.publicKey))
        #expect(!verifier.isValid(signature, of: [1, 2, 4], by: signer.publicKey))
        #expect(!verifier.isValid(signature, of: [1, 2, 3], by: other.publicKey))
        var bytes = signature.bytes
        bytes[10] ^= 1
        let changed = try #require(Signature(bytes))
        #expect(!verifier.isValid(changed, of: [1, 2, 3], by: signer.publicKey))
        #expect(!verifier.isValid(signature, of: [1, 2, 3], by: .zero))
    }

    @Test("A seed of the wrong length is no key, and a signer never shows its seed")
    func seeds() throws {
        #expect(Ed25519Signer(seed: [1, 2, 3]) == nil)
        let (signer, seed) = Ed25519Signer.generate()
        #expect(!"\(signer)".contains(Hexadecimal.encode(seed)))
    }

    @Test("libsodium's BLAKE2b and the portable one agree", arguments: [0, 1, 127, 128, 129, 4096, 100_001])
    func digests(count: Int) {
        let bytes = (0..<count).map { UInt8(truncatingIfNeeded: $0 &* 31) }
        #expect(bytes.withUnsafeBytes { SodiumDigests.blake2b256($0) } == BLAKE2b.digest(bytes))
    }

    @Test("Each process has keys of its own, and nothing unpredictable comes twice")
    func secrets() {
        let (first, second) = (ProcessSecrets(), ProcessSecrets())
        #expect(first.curveKey != second.curveKey)
        #expect(first.signer.publicKey != second.signer.publicKey)
        #expect(first.unpredictable() != first.unpredictable())
        #expect(first.curveSecretKey.count == 32)
    }
}
