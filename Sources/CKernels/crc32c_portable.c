// Slicing by eight: eight table look-ups for eight bytes.
#include <string.h>

#include "kernels.h"

static const uint32_t polynomial = 0x82F63B78;  // reflected

static uint32_t tables[8][256];

static void fill_tables(void) {
    for (uint32_t byte = 0; byte < 256; byte++) {
        uint32_t crc = byte;
        for (int bit = 0; bit < 8; bit++) crc = (crc >> 1) ^ (crc & 1 ? polynomial : 0);
        tables[0][byte] = crc;
    }
    for (uint32_t byte = 0; byte < 256; byte++) {
        for (int slice = 1; slice < 8; slice++) {
            uint32_t before = tables[slice - 1][byte];
            tables[slice][byte] = (before >> 8) ^ tables[0][before & 0xFF];
        }
    }
}

static inline uint32_t step_byte(uint32_t crc, uint8_t byte) { return (crc >> 8) ^ tables[0][(crc ^ byte) & 0xFF]; }

static inline uint32_t step_word(uint32_t crc, uint64_t word) {
#if __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
    word = __builtin_bswap64(word);
#endif
    word ^= crc;
    crc = 0;
    for (int i = 0; i < 8; i++) crc ^= tables[7 - i][(word >> (8 * i)) & 0xFF];
    return crc;
}

static uint32_t portable_crc(uint32_t crc, const uint8_t *data, size_t length) {
    for (; length >= 8; data += 8, length -= 8) {
        uint64_t word;
        memcpy(&word, data, 8);
        crc = step_word(crc, word);
    }
    for (; length > 0; data++, length--) crc = step_byte(crc, *data);
    return crc;
}

// The word passes through a volatile load, so that what is stored and what is summed can't be two loads.
static uint32_t portable_copy(uint8_t *destination, const uint8_t *source, size_t length, uint32_t crc) {
    // Memory of another process: byte loads until the source is aligned, since volatile forbids memcpy.
    for (; length > 0 && ((uintptr_t)source & 7) != 0; source++, destination++, length--) {
        uint8_t byte = *(const volatile uint8_t *)source;
        *destination = byte;
        crc = step_byte(crc, byte);
    }
    for (; length >= 8; source += 8, destination += 8, length -= 8) {
        uint64_t word = *(const volatile uint64_t *)(const void *)source;
        memcpy(destination, &word, 8);
        crc = step_word(crc, word);
    }
    for (; length > 0; source++, destination++, length--) {
        uint8_t byte = *(const volatile uint8_t *)source;
        *destination = byte;
        crc = step_byte(crc, byte);
    }
    return crc;
}

const struct kernels *mx_kernels_portable(void) {
    static const struct kernels portable = {"portable", portable_crc, portable_copy};
    fill_tables();
    return &portable;
}
