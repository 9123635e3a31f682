#define _GNU_SOURCE
#include "CLinux.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

// Where the child keeps the pipe that reports a failed exec; everything above is closed.
static const int report_fd = 3;

// Runs in the child: async-signal-safe calls only.
static void reset_signals(void) {
    struct sigaction defaults = {.sa_handler = SIG_DFL};
    for (int signal = 1; signal < NSIG; signal++) sigaction(signal, &defaults, NULL);
    sigset_t none;
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
}

// Runs in the child: puts the descriptors in place, or returns -1. All are first copied above the places they go to, so
// that any of them may be 0 to 3 already.
static int place_descriptors(int stdout_fd, int stderr_fd, int report) {
    int input = open("/dev/null", O_RDONLY | O_CLOEXEC);
    int output = stdout_fd < 0 ? -1 : fcntl(stdout_fd, F_DUPFD_CLOEXEC, report_fd + 1);
    int errors = stderr_fd < 0 ? -1 : fcntl(stderr_fd, F_DUPFD_CLOEXEC, report_fd + 1);
    int high_input = input < 0 ? -1 : fcntl(input, F_DUPFD_CLOEXEC, report_fd + 1);
    int high_report = fcntl(report, F_DUPFD_CLOEXEC, report_fd + 1);
    if (high_input < 0 || high_report < 0 || (stdout_fd >= 0 && output < 0) || (stderr_fd >= 0 && errors < 0)) return -1;
    if (dup2(high_input, STDIN_FILENO) < 0) return -1;
    if (output >= 0 && dup2(output, STDOUT_FILENO) < 0) return -1;
    if (errors >= 0 && dup2(errors, STDERR_FILENO) < 0) return -1;
    if (dup3(high_report, report_fd, O_CLOEXEC) < 0) return -1;
    return mx_close_range_from(report_fd + 1);
}

// Runs in the child: becomes the program, or writes errno to the pipe.
static _Noreturn void become_program(
    const char *path, char *const argv[], int stdout_fd, int stderr_fd, int report, pid_t parent) {
    // The parent may have died before prctl took effect; then nobody would ever signal us.
    if (prctl(PR_SET_PDEATHSIG, SIGTERM) != 0 || getppid() != parent) _exit(127);
    // A group of its own: Ctrl-C at the terminal is for us, who then end the child in good order.
    setpgid(0, 0);
    int pipe_end = report;
    if (place_descriptors(stdout_fd, stderr_fd, report) == 0) {
        pipe_end = report_fd;
        reset_signals();
        execvp(path, argv);
    }
    int failure = errno;
    ssize_t ignored = write(pipe_end, &failure, sizeof failure);
    (void)ignored;
    _exit(127);
}

// Waits until exec has closed the pipe (0) or the child has written its errno (that).
static int wait_for_exec(int pipe_end) {
    int failure = 0;
    ssize_t got;
    do {
        got = read(pipe_end, &failure, sizeof failure);
    } while (got < 0 && errno == EINTR);
    return got == (ssize_t)sizeof failure ? failure : 0;
}

pid_t mx_spawn_child(const char *path, char *const argv[], int stdout_fd, int stderr_fd, int *error) {
    int report[2];
    *error = 0;
    if (pipe2(report, O_CLOEXEC) != 0) {
        *error = errno;
        return -1;
    }
    // No handler of ours may run in the child before its actions are reset.
    sigset_t all, previous;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &previous);
    pid_t parent = getpid();
    pid_t child = fork();
    if (child == 0) become_program(path, argv, stdout_fd, stderr_fd, report[1], parent);
    int fork_failure = errno;
    pthread_sigmask(SIG_SETMASK, &previous, NULL);
    close(report[1]);

    *error = child < 0 ? fork_failure : wait_for_exec(report[0]);
    close(report[0]);
    if (*error == 0) return child;
    if (child > 0) {
        while (waitpid(child, NULL, 0) < 0 && errno == EINTR) {
        }
    }
    return -1;
}
