#define _GNU_SOURCE
#include "CLinux.h"

#include <errno.h>
#include <linux/tcp.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

// Descriptors, and room for the credentials that a socket with SO_PASSCRED gets beside them.
union control_buffer {
    char bytes[CMSG_SPACE(sizeof(int) * MX_DESCRIPTORS_MAX) + CMSG_SPACE(sizeof(struct ucred))];
    struct cmsghdr alignment;
};

ssize_t mx_send_descriptors(int socket, const void *data, size_t length, const int *fds, size_t count) {
    // A stream socket silently drops descriptors that no byte carries.
    if (length == 0 || count > MX_DESCRIPTORS_MAX) {
        errno = EINVAL;
        return -1;
    }
    union control_buffer control;
    memset(&control, 0, sizeof control);
    struct iovec payload = {.iov_base = (void *)data, .iov_len = length};
    struct msghdr message = {.msg_iov = &payload, .msg_iovlen = 1};
    if (count > 0) {
        message.msg_control = control.bytes;
        message.msg_controllen = CMSG_SPACE(sizeof(int) * count);
        struct cmsghdr *header = CMSG_FIRSTHDR(&message);
        header->cmsg_level = SOL_SOCKET;
        header->cmsg_type = SCM_RIGHTS;
        header->cmsg_len = CMSG_LEN(sizeof(int) * count);
        memcpy(CMSG_DATA(header), fds, sizeof(int) * count);
    }
    ssize_t sent;
    do {
        sent = sendmsg(socket, &message, MSG_NOSIGNAL);
    } while (sent < 0 && errno == EINTR);
    return sent;
}

// Moves the message's descriptors to `fds`; those over capacity are closed. Returns 0 when some were.
static int take_descriptors(struct msghdr *message, int *fds, size_t capacity, size_t *count) {
    int fitted = 1;
    for (struct cmsghdr *header = CMSG_FIRSTHDR(message); header != NULL; header = CMSG_NXTHDR(message, header)) {
        if (header->cmsg_level != SOL_SOCKET || header->cmsg_type != SCM_RIGHTS) continue;
        size_t came = (header->cmsg_len - CMSG_LEN(0)) / sizeof(int);
        for (size_t i = 0; i < came; i++) {
            int fd;
            memcpy(&fd, CMSG_DATA(header) + i * sizeof(int), sizeof fd);
            if (*count < capacity) {
                fds[(*count)++] = fd;
            } else {
                close(fd);
                fitted = 0;
            }
        }
    }
    return fitted;
}

ssize_t mx_receive_descriptors(
    int socket, void *data, size_t capacity, int *fds, size_t fd_capacity, size_t *fd_count) {
    *fd_count = 0;
    union control_buffer control;
    struct iovec payload = {.iov_base = data, .iov_len = capacity};
    struct msghdr message = {
        .msg_iov = &payload, .msg_iovlen = 1, .msg_control = control.bytes, .msg_controllen = sizeof control.bytes};
    ssize_t received;
    do {
        received = recvmsg(socket, &message, MSG_CMSG_CLOEXEC);
    } while (received < 0 && errno == EINTR);
    if (received < 0) return -1;

    int fitted = take_descriptors(&message, fds, fd_capacity, fd_count);
    if (!fitted || (message.msg_flags & (MSG_CTRUNC | MSG_TRUNC)) != 0) {
        while (*fd_count > 0) close(fds[--(*fd_count)]);
        errno = EMSGSIZE;
        return -1;
    }
    return received;
}

int mx_close_range_from(int first) {
#ifdef SYS_close_range
    if (syscall(SYS_close_range, (unsigned)first, ~0U, 0) == 0) return 0;
#endif
    // Kernels before 5.9, and sandboxes that refuse the call.
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) != 0) return -1;
    for (int fd = first; (rlim_t)fd < limit.rlim_max && fd < 1 << 20; fd++) close(fd);
    return 0;
}

int mx_socket_cookie(int fd, uint64_t *cookie) {
    socklen_t length = sizeof *cookie;
    return getsockopt(fd, SOL_SOCKET, SO_COOKIE, cookie, &length);
}

int mx_tcp_received(int fd, uint64_t *bytes) {
    struct tcp_info info = {0};
    socklen_t length = sizeof info;
    if (getsockopt(fd, IPPROTO_TCP, TCP_INFO, &info, &length) != 0) return -1;
    *bytes = info.tcpi_bytes_received;
    return 0;
}
