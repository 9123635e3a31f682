// What the dispatcher knows of each implementation. `crc` here is the running register: not inverted at either end.
#pragma once

#include <stddef.h>
#include <stdint.h>

struct kernels {
    const char *name;
    uint32_t (*crc)(uint32_t crc, const uint8_t *data, size_t length);
    uint32_t (*copy)(uint8_t *destination, const uint8_t *source, size_t length, uint32_t crc);
};

/// x86 with SSE4.2 and PCLMULQDQ, or NULL.
const struct kernels *mx_kernels_x86(void);
/// ARMv8 with the CRC instructions, or NULL.
const struct kernels *mx_kernels_arm(void);
/// Everywhere.
const struct kernels *mx_kernels_portable(void);
