/// BLAKE2b-256 (RFC 7693) in pure Swift: the digest of content and of signed frames.
///
/// Incremental, unkeyed, 32 bytes out. Shells inject libsodium's for bulk content; this one serves pure logic and tests.
package struct BLAKE2b: Sendable {
    private static let blockSize = 128
    private var state = State()
    /// What has come and is not yet compressed.
    private var buffer: [UInt8] = []
    private var consumed: UInt64 = 0

    package init() {}

    package static func digest(_ message: [UInt8]) -> Digest256 {
        message.withUnsafeBytes(digest(of:))
    }

    package static func digest(of message: UnsafeRawBufferPointer) -> Digest256 {
        var hash = BLAKE2b()
        hash.update(message)
        return hash.finish()
    }

    package mutating func update(_ bytes: [UInt8]) { bytes.withUnsafeBytes { update($0) } }

    package mutating func update(_ bytes: ArraySlice<UInt8>) { bytes.withUnsafeBytes { update($0) } }

    package mutating func update(_ bytes: UnsafeRawBufferPointer) {
        var offset = 0
        // The last block must stay in the buffer until `finish` knows that it is the last.
        if !buffer.isEmpty, buffer.count + bytes.count > Self.blockSize {
            offset = Self.blockSize - buffer.count
            buffer.append(contentsOf: bytes[..<offset])
            consumed += UInt64(Self.blockSize)
            buffer.withUnsafeBytes { state.compress($0, consumed: consumed, isLast: false) }
            buffer.removeAll(keepingCapacity: true)
        }
        while bytes.count - offset > Self.blockSize {
            consumed += UInt64(Self.blockSize)
            let block = UnsafeRawBufferPointer(rebasing: bytes[offset..<offset + Self.blockSize])
            state.compress(block, consumed: consumed, isLast: false)
            offset += Self.blockSize
        }
        if buffer.isEmpty { buffer.reserveCapacity(Self.blockSize) }
        buffer.append(contentsOf: bytes[offset...])
    }

    package consuming func finish() -> Digest256 {
        consumed += UInt64(buffer.count)
        buffer.append(contentsOf: repeatElement(0, count: Self.blockSize - buffer.count))
        buffer.withUnsafeBytes { state.compress($0, consumed: consumed, isLast: true) }
        return state.digest
    }

    /// The chain value h0 to h7, as fields: an array would cost an allocation for each hash.
    private struct State: Sendable {
        var a, b, c, d, e, f, g, h: UInt64

        init() {
            let start = BLAKE2b.initialisation
            (a, b, c, d) = (start.0 ^ 0x0101_0000 ^ UInt64(Digest256.byteCount), start.1, start.2, start.3)
            (e, f, g, h) = (start.4, start.5, start.6, start.7)
        }

        var digest: Digest256 {
            withUnsafeBytes(of: (a.littleEndian, b.littleEndian, c.littleEndian, d.littleEndian)) {
                Digest256(Array($0)) ?? .zero
            }
        }

        mutating func compress(_ block: UnsafeRawBufferPointer, consumed: UInt64, isLast: Bool) {
            func word(_ index: UInt8) -> UInt64 {
                UInt64(littleEndian: block.loadUnaligned(fromByteOffset: 8 * Int(index), as: UInt64.self))
            }
            var lanes = Lanes(state: self)
            lanes.m ^= consumed
            if isLast { lanes.o = ~lanes.o }
            BLAKE2b.permutations.withUnsafeBufferPointer { order in
                for round in 0..<12 {
                    let start = round % 10 * 16
                    Lanes.mix(
                        &lanes.a, &lanes.e, &lanes.i, &lanes.m, word(order[start]), word(order[start + 1]))
                    Lanes.mix(
                        &lanes.b, &lanes.f, &lanes.j, &lanes.n, word(order[start + 2]), word(order[start + 3]))
                    Lanes.mix(
                        &lanes.c, &lanes.g, &lanes.k, &lanes.o, word(order[start + 4]), word(order[start + 5]))
                    Lanes.mix(
                        &lanes.d, &lanes.h, &lanes.l, &lanes.p, word(order[start + 6]), word(order[start + 7]))
                    Lanes.mix(
                        &lanes.a, &lanes.f, &lanes.k, &lanes.p, word(order[start + 8]), word(order[start + 9]))
                    Lanes.mix(
                        &lanes.b, &lanes.g, &lanes.l, &lanes.m, word(order[start + 10]), word(order[start + 11]))
                    Lanes.mix(
                        &lanes.c, &lanes.h, &lanes.i, &lanes.n, word(order[start + 12]), word(order[start + 13]))
                    Lanes.mix(
                        &lanes.d, &lanes.e, &lanes.j, &lanes.o, word(order[start + 14]), word(order[start + 15]))
                }
            }
            (a, b, c, d) = (a ^ lanes.a ^ lanes.i, b ^ lanes.b ^ lanes.j, c ^ lanes.c ^ lanes.k, d ^ lanes.d ^ lanes.l)
            (e, f, g, h) = (e ^ lanes.e ^ lanes.m, f ^ lanes.f ^ lanes.n, g ^ lanes.g ^ lanes.o, h ^ lanes.h ^ lanes.p)
        }
    }

    /// The working vector v0 to v15 of RFC 7693, 3.2, as fields: an array would cost a bounds check for each step.
    private struct Lanes {
        var a, b, c, d, e, f, g, h: UInt64
        var i, j, k, l, m, n, o, p: UInt64

        init(state: State) {
            (a, b, c, d, e, f, g, h) = (state.a, state.b, state.c, state.d, state.e, state.f, state.g, state.h)
            (i, j, k, l, m, n, o, p) = BLAKE2b.initialisation
        }

        @inline(__always)
        static func mix(
            _ a: inout UInt64, _ b: inout UInt64, _ c: inout UInt64, _ d: inout UInt64, _ x: UInt64, _ y: UInt64
        ) {
            a = a &+ b &+ x
            d = d ^ a
            d = d &>> 32 | d &<< 32
            c = c &+ d
            b = b ^ c
            b = b &>> 24 | b &<< 40
            a = a &+ b &+ y
            d = d ^ a
            d = d &>> 16 | d &<< 48
            c = c &+ d
            b = b ^ c
            b = b &>> 63 | b &<< 1
        }
    }

    /// SHA-512's initial values (RFC 7693, 2.6).
    private static var initialisation: (UInt64, UInt64, UInt64, UInt64, UInt64, UInt64, UInt64, UInt64) {
        (
            0x6a09_e667_f3bc_c908, 0xbb67_ae85_84ca_a73b, 0x3c6e_f372_fe94_f82b, 0xa54f_f53a_5f1d_36f1,
            0x510e_527f_ade6_82d1, 0x9b05_688c_2b3e_6c1f, 0x1f83_d9ab_fb41_bd6b, 0x5be0_cd19_137e_2179
        )
    }

    /// Message word order of each round (RFC 7693, 2.7), sixteen to a round.
    private static let permutations: [UInt8] = [
        0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15,
        14, 10, 4, 8, 9, 15, 13, 6, 1, 12, 0, 2, 11, 7, 5, 3,
        11, 8, 12, 0, 5, 2, 15, 13, 10, 14, 3, 6, 7, 1, 9, 4,
        7, 9, 3, 1, 13, 12, 11, 14, 2, 6, 5, 10, 4, 0, 15, 8,
        9, 0, 5, 7, 2, 4, 10, 15, 14, 1, 11, 12, 6, 8, 3, 13,
        2, 12, 6, 10, 0, 11, 8, 3, 4, 13, 7, 5, 15, 14, 1, 9,
        12, 5, 1, 15, 14, 13, 4, 10, 0, 7, 6, 3, 9, 2, 8, 11,
        13, 11, 7, 14, 12, 1, 3, 9, 5, 0, 15, 4, 8, 6, 2, 10,
        6, 15, 14, 9, 11, 3, 0, 8, 12, 2, 13, 7, 1, 4, 10, 5,
        10, 2, 8, 4, 7, 6, 1, 5, 15, 11, 9, 14, 3, 12, 13, 0,
    ]
}
