"""Counts checks as they are made, and prints the last line that Tests/run.sh reads."""

import sys
import time

START = time.monotonic()


class Outcome:
    def __init__(self):
        self.passed = 0
        self.failed = 0

    def check(self, name, problems):
        """`problems` are the ways in which the check failed; none when it holds. Returns whether it holds."""
        problems = list(problems)
        if problems:
            self.failed += 1
            tell(f"FAILED  {name}")
            for problem in problems[:8]:
                tell(f"        {problem}")
            if len(problems) > 8:
                tell(f"        and {len(problems) - 8} more")
        else:
            self.passed += 1
            tell(f"ok      {name}")
        return not problems

    def finish(self):
        print(f"{self.passed} passed, {self.failed} failed", flush=True)
        sys.exit(1 if self.failed else 0)


def tell(text):
    """A line with the seconds since the start."""
    print(f"{time.monotonic() - START:6.1f} s  {text}", flush=True)


def skip(reason):
    """Ends the script: what it tests can't be tested here."""
    tell(f"skipped: {reason}")
    Outcome().finish()
