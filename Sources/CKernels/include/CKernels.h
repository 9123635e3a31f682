// Checksum kernels chosen by CPU at run time. The only C of this package that has logic.
#pragma once

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/// CRC32C (Castagnoli) of `length` bytes, appended to `crc`: 0 to begin, and f(f(0, a), b) == f(0, a + b).
/// "123456789" gives 0xE3069283. Any alignment.
uint32_t mx_crc32c(uint32_t crc, const void *data, size_t length);

/// Copies and returns the CRC32C of the bytes as they were copied: each is loaded once, so the result holds for the
/// destination even while another process changes the source. The ranges must not overlap. Any alignment.
uint32_t mx_copy_crc32c(void *destination, const void *source, size_t length, uint32_t crc);

/// The implementation this CPU gets: "sse4.2+pclmul", "armv8-crc" or "portable".
const char *mx_crc32c_implementation(void);

#ifdef __cplusplus
}
#endif
