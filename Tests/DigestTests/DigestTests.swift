import Digest
import Testing

/// Message `n` of the vectors: bytes (7 i + 3) mod 251. Digests were made with Python's hashlib.
private func message(_ count: Int) -> [UInt8] { (0..<count).map { UInt8(($0 * 7 + 3) % 251) } }

@Suite("SHA-256")
struct SHA256Tests {
    @Test("The vectors of FIPS 180-4 come out")
    func standardVectors() {
        let vectors = [
            ("", "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"),
            ("abc", "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"),
            (
                "abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq",
                "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1"
            ),
        ]
        for (text, expected) in vectors { #expect(SHA256.digest(Array(text.utf8)).description == expected) }
    }

    @Test(
        "Messages that end at, before and behind a block's border come out as hashlib's",
        arguments: [
            (1, "084fed08b978af4d7d196a7446a86b58009e636b611db16211b65a9aadff29c5"),
            (3, "6ab0dba1f4f1dfbb37b4f9eeb092c09fca4900ad32bdcd147d8dde35d6c87c35"),
            (64, "dfa798724b1a8014994f363e5da7474ed26ce3757fb29e07aa47ad5a9352d37b"),
            (127, "2409a159329f4e770a7d8128130497abb1de01ffb6ad389d97d89ebbeeb7f02c"),
            (128, "3a9c1e22e20578eebe442238f431befd688bd56698eb7c77d95d3f97d8f58207"),
            (129, "956f5da998f608be52587f28902b608909b661f99a1b300e3d3046b4f69f6fb5"),
            (1000, "a9425c416f534025a4e2422bd14adba4ec3d4a68d10c3329be8df612964d2b6e"),
        ])
    func blockBorders(count: Int, expected: String) {
        #expect(SHA256.digest(message(count)).description == expected)
    }
}

@Suite("BLAKE2b-256")
struct BLAKE2bTests {
    private static let vectors = [
        (0, "0e5751c026e543b2e8ab2eb06099daa1d1e5df47778f7787faab45cdf12fe3a8"),
        (1, "e88bd757ad5b9bedf372d8d3f0cf6c962a469db61a265f6418e1ffed86da29ec"),
        (64, "e05ae5cb162ab39214830a09e62611c48d77b3a0ceec14483820101f3a74aa02"),
        (127, "7eb3d4fe699cedc52282a1c091627822fe7790ef178af8269c0261d367931246"),
        (128, "6afdad1409d770bce274b62a69123c97c86ffb40ce9708f3ff9ae4cbba8ba080"),
        (129, "69e98b10112e4b7ae396bfbddaee75cc5fe6a9dc1fffc2b11e7c0fc48de04ae5"),
        (255, "79133c6c55eafb6dd1aa1d75fe1622b86492ce7093b81ba85f29205f6d3a7a78"),
        (256, "fabff1fa6173588d4cecdeade31b3237760d62664249e44f621deba4b94367ad"),
        (257, "c069dcc3628f1598cd4f058da809c5f1c3a4ad536acd12dc514bcc0753f71f8c"),
        (10_000, "3c965ab0c14f9165f9daf137c4e90980bedce7eab976b14ff5b37b493e185658"),
    ]

    @Test("Messages of many lengths come out as hashlib's", arguments: vectors)
    func lengths(count: Int, expected: String) {
        #expect(BLAKE2b.digest(message(count)).description == expected)
        let bytes = message(count)
        #expect(bytes.withUnsafeBytes { BLAKE2b.digest(of: $0) }.description == expected)
    }

    @Test("abc comes out as RFC 7693's function of 32 bytes says")
    func abc() {
        let expected = "bddd813c634239723171ef3fee98579b94964e3bb1cb3e427262c8c068d52319"
        #expect(BLAKE2b.digest(Array("abc".utf8)).description == expected)
    }

    @Test("Pieces of any size give the digest of the whole", arguments: [1, 3, 64, 127, 128, 129, 300])
    func pieces(size: Int) {
        let whole = message(1000)
        var hash = BLAKE2b()
        for start in stride(from: 0, to: whole.count, by: size) {
            hash.update(whole[start..<min(start + size, whole.count)])
            hash.update([])
        }
        #expect(hash.finish() == BLAKE2b.digest(whole))
    }
}

@Suite("CRC-32C")
struct CRC32CTests {
    private func checksum(_ bytes: [UInt8], seed: UInt32 = 0) -> UInt32 {
        bytes.withUnsafeBytes { CRC32C.checksum($0, seed: seed) }
    }

    @Test("The check value and the vectors of RFC 3720 come out")
    func vectors() {
        #expect(checksum(Array("123456789".utf8)) == 0xE306_9283)
        #expect(checksum([]) == 0)
        #expect(checksum([UInt8](repeating: 0, count: 32)) == 0x8A91_36AA)
        #expect(checksum([UInt8](repeating: 0xFF, count: 32)) == 0x62A8_AB43)
        #expect(checksum(Array(0..<32)) == 0x46DD_794E)
        #expect(checksum(Array((0..<32).reversed())) == 0x113F_DB5C)
    }

    @Test("A checksum goes on where another ended, wherever that was")
    func chained() {
        let whole = message(100)
        for cut in 0...whole.count {
            let first = checksum(Array(whole[..<cut]))
            #expect(checksum(Array(whole[cut...]), seed: first) == checksum(whole), "cut at \(cut)")
        }
    }

    @Test("Any one bit makes a difference")
    func everyBit() {
        let whole = message(40)
        let expected = checksum(whole)
        for bit in 0..<whole.count * 8 {
            var changed = whole
            changed[bit / 8] ^= 1 << UInt8(bit % 8)
            #expect(checksum(changed) != expected, "bit \(bit)")
        }
    }

    @Test("Bytes that lie at odd addresses give the same checksum")
    func misaligned() {
        let whole = [0] + message(77)
        let shifted = whole.withUnsafeBytes { CRC32C.checksum(UnsafeRawBufferPointer(rebasing: $0[1...])) }
        #expect(shifted == checksum(message(77)))
    }
}

@Suite("Digests as values")
struct Digest256Tests {
    @Test("Text and bytes come back, in either case of letters")
    func roundTrip() throws {
        let bytes = (0..<32).map { UInt8($0 * 8 + 7) }
        let digest = try #require(Digest256(bytes))
        #expect(digest.bytes == bytes)
        #expect(Digest256(hexadecimal: digest.description) == digest)
        #expect(Digest256(hexadecimal: digest.description.uppercased()) == digest)
        #expect(digest.leadingWord == 0x070F_171F_272F_373F)
    }

    @Test("The order of digests is the order of their bytes")
    func order() throws {
        for index in 0..<32 {
            var bytes = [UInt8](repeating: 0, count: 32)
            bytes[index] = 1
            let digest = try #require(Digest256(bytes))
            #expect(Digest256.zero < digest)
            if index > 0 {
                bytes[index] = 0xFF
                bytes[index - 1] = 0
                let after = try #require(Digest256(bytes))
                bytes[index] = 0
                bytes[index - 1] = 1
                #expect(try after < #require(Digest256(bytes)), "byte \(index)")
            }
        }
    }

    @Test("Exclusive or takes a digest out that it put in")
    func exclusiveOr() {
        let (first, second) = (SHA256.digest([1]), SHA256.digest([2]))
        #expect(first ^ second == second ^ first)
        #expect((first ^ second) ^ second == first)
        #expect(first ^ first == .zero)
    }

    @Test("Anything but 32 bytes is no digest", arguments: [0, 1, 31, 33, 64])
    func wrongSize(count: Int) {
        #expect(Digest256([UInt8](repeating: 1, count: count)) == nil)
        #expect(Digest256(hexadecimal: String(repeating: "01", count: count)) == nil)
    }

    @Test("What is not hexadecimal is refused", arguments: ["0", "0g", " 0", "0x", "é0", "123"])
    func notHexadecimal(text: String) { #expect(Hexadecimal.decode(text) == nil) }

    @Test("Hexadecimal text is lower-case and comes back")
    func hexadecimal() {
        let all = (0...255).map { UInt8($0) }
        #expect(Hexadecimal.encode([0x00, 0x9A, 0xFF]) == "009aff")
        #expect(Hexadecimal.decode(Hexadecimal.encode(all)) == all)
        #expect(Hexadecimal.decode("") == [])
    }

    @Test("The portable digester gives both digests of a chunk")
    func portableDigester() {
        let bytes = message(5000)
        let digests = bytes.withUnsafeBytes { ChunkDigester.portable.digests(of: $0) }
        let crc = bytes.withUnsafeBytes { CRC32C.checksum($0) }
        #expect(digests == ChunkDigests(crc32c: crc, strong: BLAKE2b.digest(bytes)))
    }
}
