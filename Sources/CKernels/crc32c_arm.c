// The CRC32C instructions of ARMv8, asked for at run time.
#include "kernels.h"

#if defined(__aarch64__) && defined(__linux__)
#include <string.h>
#include <sys/auxv.h>

static const unsigned long capability_crc32 = 1UL << 7;  // HWCAP_CRC32

// target("crc") alone lets arm_acle.h refuse in some compilers, hence the instructions themselves.
static inline uint32_t step_word(uint32_t crc, uint64_t word) {
    __asm__(".arch_extension crc\n\tcrc32cx %w0, %w0, %x1" : "+r"(crc) : "r"(word));
    return crc;
}

static inline uint32_t step_byte(uint32_t crc, uint8_t byte) {
    __asm__(".arch_extension crc\n\tcrc32cb %w0, %w0, %w1" : "+r"(crc) : "r"((uint32_t)byte));
    return crc;
}

static inline uint64_t load_once(const uint8_t *source) {
    uint64_t word;
    __asm__ volatile("ldr %x0, %1" : "=r"(word) : "m"(*(const uint8_t(*)[8])source));
    return word;
}

static uint32_t arm_crc(uint32_t crc, const uint8_t *data, size_t length) {
    for (; length >= 8; data += 8, length -= 8) {
        uint64_t word;
        memcpy(&word, data, 8);
        crc = step_word(crc, word);
    }
    for (; length > 0; data++, length--) crc = step_byte(crc, *data);
    return crc;
}

static uint32_t arm_copy(uint8_t *destination, const uint8_t *source, size_t length, uint32_t crc) {
    for (; length >= 8; source += 8, destination += 8, length -= 8) {
        uint64_t word = load_once(source);
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

const struct kernels *mx_kernels_arm(void) {
    static const struct kernels arm = {"armv8-crc", arm_crc, arm_copy};
    return (getauxval(AT_HWCAP) & capability_crc32) != 0 ? &arm : NULL;
}

#else

const struct kernels *mx_kernels_arm(void) { return NULL; }

#endif
