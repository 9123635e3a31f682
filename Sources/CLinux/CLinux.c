#define _GNU_SOURCE
#include "CLinux.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/syscall.h>
#include <unistd.h>

// Linux 5.1 has this seal, older C libraries' headers don't.
#ifndef F_SEAL_FUTURE_WRITE
#define F_SEAL_FUTURE_WRITE 0x0010
#endif

static const int shared_memory_seals = F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_FUTURE_WRITE | F_SEAL_SEAL;

int mx_errno(void) { return errno; }

int mx_memfd_create(const char *name) { return memfd_create(name, MFD_CLOEXEC | MFD_ALLOW_SEALING); }

int mx_seal_shared_memory(int fd) { return fcntl(fd, F_ADD_SEALS, shared_memory_seals); }

int mx_is_sealed_shared_memory(int fd) {
    int seals = fcntl(fd, F_GET_SEALS);
    return seals >= 0 && (seals & shared_memory_seals) == shared_memory_seals;
}

int mx_has_sealed_size(int fd) {
    int seals = fcntl(fd, F_GET_SEALS);
    return seals >= 0 && (seals & F_SEAL_SHRINK) && (seals & F_SEAL_GROW);
}

static const size_t huge_page = 2 * 1024 * 1024;

void *mx_map_shared(int fd, size_t size, int writable) {
    size_t page = (size_t)sysconf(_SC_PAGESIZE);
    size_t length = (size + page - 1) / page * page;
    char *reserved = mmap(NULL, length + huge_page, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (reserved == MAP_FAILED) return NULL;
    char *aligned = (char *)(((uintptr_t)reserved + huge_page - 1) / huge_page * huge_page);
    if (aligned > reserved) munmap(reserved, (size_t)(aligned - reserved));
    char *end = aligned + length;
    char *reserved_end = reserved + length + huge_page;
    if (reserved_end > end) munmap(end, (size_t)(reserved_end - end));
    if (mmap(aligned, length, PROT_READ | (writable ? PROT_WRITE : 0), MAP_SHARED | MAP_FIXED, fd, 0) == MAP_FAILED) {
        int code = errno;
        munmap(aligned, length);
        errno = code;
        return NULL;
    }
    // They come where the administrator lets shared memory have them (shmem_enabled: advise). Making them on demand
    // (MADV_COLLAPSE) costs the kernel a round over all processors for each, more than it saves.
    madvise(aligned, length, MADV_HUGEPAGE);
    return aligned;
}

int mx_populate_for_writing(void *address, size_t length) {
    return madvise(address, length, 23 /* MADV_POPULATE_WRITE, Linux 5.14 */) == 0 ? 0 : errno;
}

int mx_eventfd_create(void) { return eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK); }

int mx_eventfd_signal(int fd) {
    uint64_t one = 1;
    ssize_t written;
    do {
        written = write(fd, &one, sizeof one);
    } while (written < 0 && errno == EINTR);
    return written < 0 && errno != EAGAIN ? -1 : 0;
}

int mx_eventfd_drain(int fd) {
    uint64_t counter;
    ssize_t got;
    do {
        got = read(fd, &counter, sizeof counter);
    } while (got < 0 && errno == EINTR);
    return got < 0 && errno != EAGAIN ? -1 : 0;
}

int mx_poll(struct pollfd *descriptors, size_t count, int64_t timeout_nanoseconds) {
    struct timespec limit = {
        .tv_sec = timeout_nanoseconds / 1000000000, .tv_nsec = timeout_nanoseconds % 1000000000};
    return ppoll(descriptors, count, timeout_nanoseconds < 0 ? NULL : &limit, NULL);
}

int mx_signalfd_create(const int *signals, size_t count) {
    sigset_t set;
    sigemptyset(&set);
    for (size_t i = 0; i < count; i++) {
        if (sigaddset(&set, signals[i]) != 0) return -1;
    }
    int failure = pthread_sigmask(SIG_BLOCK, &set, NULL);
    if (failure != 0) {
        errno = failure;
        return -1;
    }
    return signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
}

int mx_signalfd_next(int fd) {
    struct signalfd_siginfo info;
    ssize_t got;
    do {
        got = read(fd, &info, sizeof info);
    } while (got < 0 && errno == EINTR);
    if (got == (ssize_t)sizeof info) return (int)info.ssi_signo;
    return got < 0 && errno == EAGAIN ? 0 : -1;
}

int mx_set_parent_death_signal(int signal) { return prctl(PR_SET_PDEATHSIG, signal); }

pid_t mx_gettid(void) { return (pid_t)syscall(SYS_gettid); }

int mx_set_thread_name(const char *name) {
    int failure = pthread_setname_np(pthread_self(), name);
    if (failure == 0) return 0;
    errno = failure;
    return -1;
}

int mx_open(const char *path, int flags, mode_t mode) { return open(path, flags | O_CLOEXEC, mode); }

int mx_open_at(int directory, const char *path, int flags, mode_t mode) {
    return openat(directory, path, flags | O_CLOEXEC, mode);
}

int mx_get_status_flags(int fd) { return fcntl(fd, F_GETFL); }

int mx_set_status_flags(int fd, int flags) { return fcntl(fd, F_SETFL, flags); }

int mx_set_nonblocking(int fd, int on) {
    int flags = fcntl(fd, F_GETFL);
    if (flags < 0) return -1;
    return fcntl(fd, F_SETFL, on ? flags | O_NONBLOCK : flags & ~O_NONBLOCK);
}

int mx_set_close_on_exec(int fd) { return fcntl(fd, F_SETFD, FD_CLOEXEC); }

int mx_ioctl_int(int fd, unsigned long request, int *value) { return ioctl(fd, request, value); }

int mx_lock_file(int fd) {
    struct flock whole = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
    int locked = fcntl(fd, F_OFD_SETLK, &whole);
    if (locked != 0 && errno == EACCES) errno = EAGAIN;
    return locked;
}
