#include "CKernels.h"

#include <pthread.h>

#include "kernels.h"

static pthread_once_t chosen_once = PTHREAD_ONCE_INIT;
static const struct kernels *chosen;

static void choose(void) {
    chosen = mx_kernels_x86();
    if (chosen == NULL) chosen = mx_kernels_arm();
    if (chosen == NULL) chosen = mx_kernels_portable();
}

static const struct kernels *kernels(void) {
    pthread_once(&chosen_once, choose);
    return chosen;
}

uint32_t mx_crc32c(uint32_t crc, const void *data, size_t length) { return ~kernels()->crc(~crc, data, length); }

uint32_t mx_copy_crc32c(void *destination, const void *source, size_t length, uint32_t crc) {
    return ~kernels()->copy(destination, source, length, ~crc);
}

const char *mx_crc32c_implementation(void) { return kernels()->name; }
