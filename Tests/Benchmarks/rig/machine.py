"""The machine: how busy others keep it, and waiting until they do less."""

import os
import time

# A machine is quiet when others use less than this share of it over one look; seconds of a look.
QUIET_SHARE = 0.1
LOOK = 0.25
PRECEDENCE = -20


def cores():
    return len(os.sched_getaffinity(0))


def busy_seconds():
    """CPU seconds that all cores were busy or taken away since the start of the machine."""
    with open("/proc/stat") as file:
        fields = [int(field) for field in file.readline().split()[1:]]
    idle = fields[3] + fields[4]
    return (sum(fields[:8]) - idle) / os.sysconf("SC_CLK_TCK")


def busy_share(seconds=LOOK):
    """The share of all cores that was busy during a look."""
    before, start = busy_seconds(), time.monotonic()
    time.sleep(seconds)
    return (busy_seconds() - before) / (time.monotonic() - start) / cores()


def await_quiet(limit):
    """Waits at most `limit` seconds for others to leave the cores alone; returns the share that they used at last."""
    end = time.monotonic() + limit
    while True:
        share = busy_share()
        if share < QUIET_SHARE or time.monotonic() > end:
            return share


def take_precedence(pid):
    """Root's measurements go before other work on the machine, which gets the cores while nothing is measured.

    Sessions are scheduled as groups where the kernel does so; elsewhere each process counts for itself.
    """
    try:
        os.setpriority(os.PRIO_PROCESS, pid, PRECEDENCE)
        with open(f"/proc/{pid}/autogroup", "w") as file:
            file.write(str(PRECEDENCE))
    except OSError:
        pass


def load():
    return os.getloadavg()[0]
