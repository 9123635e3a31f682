"""Builds the programs in release mode."""

import os
import signal
import subprocess

from failure import DemoError

# What people run; the package's other executables, such as fuzzers, are left out.
_PRODUCTS = ("modelexpress-server", "modelexpress", "modelexpress-sidecar")
# How long swift may take to end its compilers when asked to; seconds.
_GRACE_S = 10.0
_ERRORS_SHOWN = 10


def build(root, flags, log, screen):
    """Builds, with swift's own progress on a terminal and with `log` otherwise. Returns the folder of the programs."""
    command = ["swift", "build", "--package-path", root, *flags]
    with open(log, "wb") as file:
        for product in _PRODUCTS:
            if _run([*command, "--product", product], screen.stream if screen.is_terminal else file) == 0:
                continue
            if not screen.is_terminal:
                _show_errors(log, screen)
            raise DemoError(f"{product} could not be built", None if screen.is_terminal else log)
    shown = subprocess.run([*command, "--show-bin-path"], capture_output=True, text=True, check=False)
    if shown.returncode != 0:
        raise DemoError(f"swift does not tell where the programs are: {shown.stderr.strip()}")
    return shown.stdout.strip()


def _run(command, output):
    # In a session of its own, so that Ctrl-C reaches the demo alone, which then ends all of it.
    process = subprocess.Popen(
        command, stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT, start_new_session=True)
    try:
        return process.wait()
    finally:
        if process.poll() is None:
            _end(process)


def _end(process):
    """SIGINT is what swift ends its compilers on; what is left of the group is killed."""
    os.killpg(process.pid, signal.SIGINT)
    try:
        process.wait(_GRACE_S)
    except subprocess.TimeoutExpired:
        pass
    try:
        os.killpg(process.pid, signal.SIGKILL)
    except ProcessLookupError:
        pass
    process.wait()


def _show_errors(log, screen):
    with open(log, encoding="utf-8", errors="replace") as file:
        errors = [line.rstrip() for line in file if "error:" in line]
    for line in errors[:_ERRORS_SHOWN]:
        screen.say(line)
