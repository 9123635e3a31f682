"""The wheels of NIXL and Mooncake, in an environment of their own in the checkout."""

import os
import subprocess
import sys

PACKAGES = {
    "nixl": ("nixl_cu12._api", ["nixl-cu12==1.5.1", "numpy"]),
    "mooncake": ("mooncake.engine", ["mooncake-transfer-engine-non-cuda"]),
}
FOLDER = os.path.realpath(os.path.join(os.path.dirname(__file__), "..", "..", "..", ".venv-benchmarks"))
INSTALL_LIMIT = 600
CHECK_LIMIT = 60


class Wheels:
    """`python` of the environment for what could be installed; `missing` says why the rest could not."""

    def __init__(self, tell):
        self.python = os.path.join(FOLDER, "bin", "python")
        self.missing = {}
        for name, (module, packages) in PACKAGES.items():
            if self._has(module):
                continue
            tell(f"installing {' '.join(packages)} in {FOLDER}")
            reason = self._install(packages)
            if reason is None and not self._has(module):
                reason = f"{module} can't be imported here"
            if reason is not None:
                self.missing[name] = reason
                tell(f"left out: {name}: {reason}")

    def _has(self, module):
        return os.path.exists(self.python) and run([self.python, "-c", f"import {module}"], CHECK_LIMIT) is None

    def _install(self, packages):
        if not os.path.exists(self.python):
            reason = run([sys.executable, "-m", "venv", FOLDER], CHECK_LIMIT)
            if reason is not None:
                return reason
        # Without what they name as needed: a GPU's libraries among it, and neither is used here.
        return run([self.python, "-m", "pip", "install", "--quiet", "--no-deps", *packages], INSTALL_LIMIT)


def run(command, limit):
    """None when it succeeds, else why it did not."""
    try:
        done = subprocess.run(
            command, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=limit, check=False)
    except (OSError, subprocess.TimeoutExpired) as error:
        return str(error)
    lines = done.stderr.strip().splitlines() or [f"exit status {done.returncode}"]
    return None if done.returncode == 0 else lines[-1]
