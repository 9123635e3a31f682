// System calls and macros that Swift can't import: variadic functions, function-like macros (CMSG_*, F_* with bases),
// code that has to run between fork and exec, and calls for which the C library has no wrapper everywhere.
// Every function fails the POSIX way, -1 with errno set, unless its comment says otherwise. Nothing here keeps state.
#pragma once

#include <poll.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#ifdef __cplusplus
extern "C" {
#endif

/// The most descriptors that one message may carry.
#define MX_DESCRIPTORS_MAX 64

/// The calling thread's errno. (errno is a macro over a function call; Swift's import of it depends on the C library.)
int mx_errno(void);

// Shared memory

/// An anonymous memory file, close-on-exec, that may be sealed. (Not declared without _GNU_SOURCE.)
int mx_memfd_create(const char *name);
/// Makes the size of a memory file final and forbids new writable mappings; those that exist stay writable.
/// (F_SEAL_* are hidden from Swift without _GNU_SOURCE, and fcntl is variadic.)
int mx_seal_shared_memory(int fd);
/// 1 when the file has all the seals that mx_seal_shared_memory sets, so that reading it can't end in SIGBUS;
/// 0 when one is missing or the file can't have seals at all.
int mx_is_sealed_shared_memory(int fd);
/// 1 when the file's size is final: it can be mapped and written without SIGBUS.
int mx_has_sealed_size(int fd);

/// Maps `size` bytes of a file, shared, at an address that is a multiple of 2 MiB, so that huge pages of the file can be
/// mapped as such, and asks for them; NULL with errno set. Unmap it with munmap. (MAP_FAILED is a cast, and the slack has to be cut off.)
void *mx_map_shared(int fd, size_t size, int writable);
/// Takes and maps the pages of a range for writing. Returns 0, or the errno. (Linux 5.14; not in every C library's headers.)
int mx_populate_for_writing(void *address, size_t length);

// Waking a thread

/// An eventfd: counter 0, non-blocking, close-on-exec. (The flags are an enum cast to int.)
int mx_eventfd_create(void);
/// Adds one to the counter, so that poll reports it readable. A full counter counts as done.
int mx_eventfd_signal(int fd);
/// Sets the counter to zero. An empty counter counts as done.
int mx_eventfd_drain(int fd);
/// poll(2) with a time-out in nanoseconds, negative for none. (ppoll is hidden without _GNU_SOURCE.)
int mx_poll(struct pollfd *descriptors, size_t count, int64_t timeout_nanoseconds);

// Signals and processes

/// Blocks `count` signals in the calling thread (threads it makes later inherit that) and returns a non-blocking,
/// close-on-exec descriptor that reports them. (sigset_t is opaque, its functions are macros in places.)
int mx_signalfd_create(const int *signals, size_t count);
/// The next signal number of a signalfd; 0 when none is pending.
int mx_signalfd_next(int fd);
/// The signal this process gets when the thread that made it ends. (prctl is variadic.)
int mx_set_parent_death_signal(int signal);
/// The kernel's number of the calling thread.
pid_t mx_gettid(void);
/// Names the calling thread; at most 15 bytes. (pthread_setname_np is hidden without _GNU_SOURCE.)
int mx_set_thread_name(const char *name);
/// Starts a program in a child that gets SIGTERM when the calling THREAD ends, so call it from one that lasts.
/// `path` is looked up in PATH when it has no slash. The child reads /dev/null, writes to the descriptors given (-1 keeps
/// the parent's), has an empty signal mask, default signal actions, and no other descriptor. It has a process
/// group of its own, so that Ctrl-C at a terminal reaches us alone. Returns the pid, which the caller must reap; or -1 with *error set, also when exec itself failed.
/// (Between fork and exec only async-signal-safe code may run, which Swift's runtime is not.)
pid_t mx_spawn_child(const char *path, char *const argv[], int stdout_fd, int stderr_fd, int *error);

// Descriptors

/// Sends `data` (1 byte at least) with up to MX_DESCRIPTORS_MAX descriptors over a Unix socket, without SIGPIPE.
/// Returns the bytes sent; the caller keeps its descriptors. (CMSG_* are function-like macros.)
ssize_t mx_send_descriptors(int socket, const void *data, size_t length, const int *fds, size_t count);
/// Receives what mx_send_descriptors sent. Descriptors are close-on-exec and the caller's. Returns the bytes received, 0
/// at the end of the stream. When anything didn't fit, every descriptor that came is closed and errno is EMSGSIZE.
ssize_t mx_receive_descriptors(
    int socket, void *data, size_t capacity, int *fds, size_t fd_capacity, size_t *fd_count);
/// Closes every descriptor from `first` on.
int mx_close_range_from(int first);
/// The kernel's number of a socket, which no other socket ever has while the system runs: a descriptor is used again, this
/// is not. (SO_COOKIE is hidden from Swift.)
int mx_socket_cookie(int fd, uint64_t *cookie);
/// Bytes that a TCP connection has received since it stands, read by the program or not. (Two headers define tcp_info, and
/// the C library's has no such field.)
int mx_tcp_received(int fd, uint64_t *bytes);

// Variadic calls

/// open(2), close-on-exec.
int mx_open(const char *path, int flags, mode_t mode);
/// openat(2), close-on-exec.
int mx_open_at(int directory, const char *path, int flags, mode_t mode);
/// The O_* status flags of a descriptor.
int mx_get_status_flags(int fd);
/// Replaces the O_* status flags of a descriptor.
int mx_set_status_flags(int fd, int flags);
/// Makes a descriptor non-blocking (1) or blocking (0).
int mx_set_nonblocking(int fd, int on);
/// Makes a descriptor close-on-exec.
int mx_set_close_on_exec(int fd);
/// ioctl(2) with a pointer to an int, such as FIONREAD.
int mx_ioctl_int(int fd, unsigned long request, int *value);
/// Takes an exclusive lock on a whole file without waiting. It belongs to the open file, not the process: it ends with
/// the last descriptor. errno is EAGAIN when another holds it. (F_OFD_SETLK is hidden without _GNU_SOURCE.)
int mx_lock_file(int fd);

#ifdef __cplusplus
}
#endif
