// The crc32 instruction takes three cycles and one can start each cycle, so three independent streams fill it. Their
// results are joined by a carry-less multiplication.
#include "kernels.h"

#if defined(__x86_64__)
#include <immintrin.h>
#include <string.h>

#define TARGET __attribute__((target("sse4.2,pclmul")))
#define INLINE TARGET __attribute__((always_inline)) static inline

// Bytes of each of the three streams: whole cache lines, and no multiple of 4096, since a load whose low 12 address bits
// equal those of a store in flight waits for it, and both ranges mostly begin on a page.
enum { STREAM = 5440, LINE = 64 };

// From this length on the destination is written around the cache, which saves reading it first.
static const size_t streaming_copy_bytes = 64 * 1024;

// Multipliers that move a register past one and two streams of zero bytes.
static uint64_t past_one_stream;
static uint64_t past_two_streams;

// x^n modulo the polynomial, bit-reflected.
static uint32_t power_of_x(uint32_t n) {
    uint32_t power = 0x80000000;
    while (n-- > 0) power = (power >> 1) ^ (power & 1 ? 0x82F63B78 : 0);
    return power;
}

// crc * multiplier is reduced by the crc32 instruction, which itself multiplies by x^32; the reflected product is one bit
// short. Hence the exponent 8 * bytes - 33.
INLINE uint32_t shift(uint32_t crc, uint64_t multiplier) {
    __m128i product = _mm_clmulepi64_si128(_mm_cvtsi32_si128((int)crc), _mm_cvtsi64_si128((long long)multiplier), 0);
    return (uint32_t)_mm_crc32_u64(0, (uint64_t)_mm_cvtsi128_si64(product));
}

INLINE uint32_t join(uint64_t first, uint64_t second, uint64_t third) {
    return shift((uint32_t)first, past_two_streams) ^ shift((uint32_t)second, past_one_stream) ^ (uint32_t)third;
}

INLINE uint64_t load(const uint8_t *source) {
    uint64_t word;
    memcpy(&word, source, 8);
    return word;
}

// A load that the compiler may not repeat: the sum must be that of the stored bytes while another process writes.
INLINE uint64_t load_once(const uint8_t *source) {
    uint64_t word;
    __asm__ volatile("movq %1, %0" : "=r"(word) : "m"(*(const uint8_t(*)[8])source));
    return word;
}

TARGET static uint32_t x86_crc(uint32_t crc, const uint8_t *data, size_t length) {
    for (; length >= 3 * STREAM; data += 3 * STREAM, length -= 3 * STREAM) {
        uint64_t first = crc, second = 0, third = 0;
        for (size_t i = 0; i < STREAM; i += 8) {
            first = _mm_crc32_u64(first, load(data + i));
            second = _mm_crc32_u64(second, load(data + STREAM + i));
            third = _mm_crc32_u64(third, load(data + 2 * STREAM + i));
        }
        crc = join(first, second, third);
    }
    uint64_t tail = crc;
    for (; length >= 8; data += 8, length -= 8) tail = _mm_crc32_u64(tail, load(data));
    for (; length > 0; data++, length--) tail = _mm_crc32_u8((uint32_t)tail, *data);
    return (uint32_t)tail;
}

INLINE void store(uint8_t *destination, uint64_t word, int streaming) {
    if (streaming) {
        _mm_stream_si64((long long *)(void *)destination, (long long)word);
    } else {
        memcpy(destination, &word, 8);
    }
}

INLINE uint32_t copy_words(uint8_t *destination, const uint8_t *source, size_t length, uint32_t crc) {
    uint64_t tail = crc;
    for (; length >= 8; source += 8, destination += 8, length -= 8) {
        uint64_t word = load_once(source);
        store(destination, word, 0);
        tail = _mm_crc32_u64(tail, word);
    }
    for (; length > 0; source++, destination++, length--) {
        uint8_t byte = *(const volatile uint8_t *)source;
        *destination = byte;
        tail = _mm_crc32_u8((uint32_t)tail, byte);
    }
    return (uint32_t)tail;
}

// Copies whole triples of streams; returns how many bytes those were.
INLINE size_t copy_streams(uint8_t *destination, const uint8_t *source, size_t length, uint32_t *crc, int streaming) {
    size_t done = 0;
    for (; length - done >= 3 * STREAM; done += 3 * STREAM) {
        uint64_t first = *crc, second = 0, third = 0;
        uint8_t *to = destination + done;
        const uint8_t *from = source + done;
        for (size_t i = 0; i < STREAM; i += LINE) {
            for (size_t j = i; j < i + LINE; j += 8) {
                uint64_t a = load_once(from + j), b = load_once(from + STREAM + j), c = load_once(from + 2 * STREAM + j);
                store(to + j, a, streaming);
                store(to + STREAM + j, b, streaming);
                store(to + 2 * STREAM + j, c, streaming);
                first = _mm_crc32_u64(first, a);
                second = _mm_crc32_u64(second, b);
                third = _mm_crc32_u64(third, c);
            }
        }
        *crc = join(first, second, third);
    }
    return done;
}

TARGET static uint32_t x86_copy(uint8_t *destination, const uint8_t *source, size_t length, uint32_t crc) {
    size_t done;
    if (length >= streaming_copy_bytes) {
        // Only whole cache lines may be written around the cache without loss.
        size_t head = (LINE - ((uintptr_t)destination & (LINE - 1))) & (LINE - 1);
        crc = copy_words(destination, source, head, crc);
        done = head + copy_streams(destination + head, source + head, length - head, &crc, 1);
        // Streaming stores are weakly ordered: others must see them before whatever we publish next.
        _mm_sfence();
    } else {
        done = copy_streams(destination, source, length, &crc, 0);
    }
    return copy_words(destination + done, source + done, length - done, crc);
}

const struct kernels *mx_kernels_x86(void) {
    static const struct kernels x86 = {"sse4.2+pclmul", x86_crc, x86_copy};
    __builtin_cpu_init();
    if (!__builtin_cpu_supports("sse4.2") || !__builtin_cpu_supports("pclmul")) return NULL;
    past_one_stream = power_of_x(8 * STREAM - 33);
    past_two_streams = power_of_x(8 * 2 * STREAM - 33);
    return &x86;
}

#else

const struct kernels *mx_kernels_x86(void) { return NULL; }

#endif
