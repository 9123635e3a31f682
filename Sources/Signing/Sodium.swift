import CSodium

/// The calls into libsodium, as plain functions over bytes: lengths are checked, nothing is kept. Any thread.
enum Sodium {
    /// Bytes of an Ed25519 seed, which is the secret key's first half.
    static let seedLength = Int(crypto_sign_ed25519_SEEDBYTES)
    /// Bytes of an Ed25519 public key.
    static let publicKeyLength = Int(crypto_sign_ed25519_PUBLICKEYBYTES)
    /// Bytes of an Ed25519 signature.
    static let signatureLength = Int(crypto_sign_ed25519_BYTES)
    /// Bytes of the BLAKE2b digests here.
    static let digestLength = 32
    /// Of a BLAKE2b state (crypto_generichash_blake2b.h).
    private static let stateAlignment = 64
    /// Bytes of a BLAKE2b key here.
    static let digestKeyLength = 32

    // The library asks to be initialised before all else; a static is made once, and all callers wait for it.
    private static let status = sodium_init()

    /// Prepares the library. Again does nothing; every function here that needs it calls it.
    static func initialise() {
        precondition(status >= 0, "libsodium found no source of random bytes")
    }

    /// The public key of a seed.
    static func ed25519PublicKey(secretSeed: [UInt8]) -> [UInt8] {
        var pair = ed25519Keypair(secretSeed: secretSeed)
        wipe(&pair.secretKey)
        return pair.publicKey
    }

    /// The public key and the 64-byte secret key of a seed. Wipe the secret key after use.
    static func ed25519Keypair(secretSeed: [UInt8]) -> (publicKey: [UInt8], secretKey: [UInt8]) {
        precondition(secretSeed.count == seedLength, "an Ed25519 seed has \(seedLength) bytes")
        initialise()
        var publicKey = [UInt8](repeating: 0, count: publicKeyLength)
        var secretKey = [UInt8](repeating: 0, count: Int(crypto_sign_ed25519_SECRETKEYBYTES))
        let status = crypto_sign_ed25519_seed_keypair(&publicKey, &secretKey, secretSeed)
        precondition(status == 0, "crypto_sign_ed25519_seed_keypair can't fail")
        return (publicKey, secretKey)
    }

    /// The 64-byte signature of `message`. Deterministic: the same message and seed give the same bytes.
    static func ed25519Sign(message: [UInt8], secretSeed: [UInt8]) -> [UInt8] {
        var pair = ed25519Keypair(secretSeed: secretSeed)
        defer { wipe(&pair.secretKey) }
        var signature = [UInt8](repeating: 0, count: signatureLength)
        let status = crypto_sign_ed25519_detached(&signature, nil, message, UInt64(message.count), pair.secretKey)
        precondition(status == 0, "crypto_sign_ed25519_detached can't fail")
        return signature
    }

    /// Whether `signature` is that of `message` by `publicKey`. False for wrong lengths and for keys of small order.
    static func ed25519Verify(signature: [UInt8], message: [UInt8], publicKey: [UInt8]) -> Bool {
        guard signature.count == signatureLength, publicKey.count == publicKeyLength else { return false }
        initialise()
        return crypto_sign_ed25519_verify_detached(signature, message, UInt64(message.count), publicKey) == 0
    }

    /// The BLAKE2b digest with 32 bytes.
    static func blake2b256(_ bytes: UnsafeRawBufferPointer) -> [UInt8] {
        digest(bytes, key: [])
    }

    /// The keyed BLAKE2b digest with 32 bytes: a message authentication code.
    static func blake2b256(_ bytes: UnsafeRawBufferPointer, key: [UInt8]) -> [UInt8] {
        precondition(key.count == digestKeyLength, "a BLAKE2b key has \(digestKeyLength) bytes here")
        return digest(bytes, key: key)
    }

    /// The BLAKE2b digest, with 32 bytes, of parts that follow each other.
    static func blake2b256(_ parts: [UnsafeRawBufferPointer]) -> [UInt8] {
        initialise()
        // The state's type has an alignment that Swift can't import; libsodium says how large it is.
        let memory = UnsafeMutableRawPointer.allocate(
            byteCount: crypto_generichash_blake2b_statebytes(), alignment: stateAlignment)
        defer { memory.deallocate() }
        let state = OpaquePointer(memory)
        var digest = [UInt8](repeating: 0, count: digestLength)
        var status = crypto_generichash_blake2b_init(state, nil, 0, digest.count)
        for part in parts {
            let input = part.assumingMemoryBound(to: UInt8.self).baseAddress
            status |= crypto_generichash_blake2b_update(state, input, UInt64(part.count))
        }
        status |= crypto_generichash_blake2b_final(state, &digest, digest.count)
        precondition(status == 0, "crypto_generichash_blake2b can't fail on these lengths")
        return digest
    }

    /// Whether two secrets are equal, in a time that tells only their lengths.
    static func equalInConstantTime(_ left: [UInt8], _ right: [UInt8]) -> Bool {
        left.count == right.count && sodium_memcmp(left, right, left.count) == 0
    }

    /// Bytes that nobody can guess.
    static func randomBytes(count: Int) -> [UInt8] {
        initialise()
        return [UInt8](unsafeUninitializedCapacity: count) { buffer, filled in
            if let start = buffer.baseAddress { randombytes_buf(start, count) }
            filled = count
        }
    }

    /// Overwrites a secret with zeros in a way that the compiler keeps. Copies made before stay as they are.
    static func wipe(_ secret: inout [UInt8]) {
        secret.withUnsafeMutableBytes { sodium_memzero($0.baseAddress, $0.count) }
    }

    private static func digest(_ bytes: UnsafeRawBufferPointer, key: [UInt8]) -> [UInt8] {
        initialise()
        var digest = [UInt8](repeating: 0, count: digestLength)
        let input = bytes.assumingMemoryBound(to: UInt8.self).baseAddress
        let status = crypto_generichash_blake2b(
            &digest, digest.count, input, UInt64(bytes.count), key.isEmpty ? nil : key, key.count)
        precondition(status == 0, "crypto_generichash_blake2b can't fail on these lengths")
        return digest
    }
}
