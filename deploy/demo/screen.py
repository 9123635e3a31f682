"""What people see while the demo runs."""

import os
import shutil
import sys

_GREEN, _RED, _BOLD = "32", "31", "1"
_NAME_WIDTH = 8


class Screen:
    """Standard output, or standard error when standard output is for JSON alone."""

    def __init__(self, json):
        self.stream = sys.stderr if json else sys.stdout
        self.is_terminal = self.stream.isatty()
        self._has_colours = self.is_terminal and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"
        self._has_unfinished_line = False

    def say(self, text=""):
        self._clear()
        print(text, file=self.stream, flush=True)

    def step(self, name, text):
        self.say(f"{self._title(name)}  {text}")

    def progress(self, name, text):
        """A line that the next one replaces; nothing where output is no terminal."""
        if self.is_terminal:
            # A line that is broken could not be replaced.
            text = text[:shutil.get_terminal_size().columns - _NAME_WIDTH - 3]
            print(f"\r\033[K{self._title(name)}  {text}", end="", file=self.stream, flush=True)
            self._has_unfinished_line = True

    def error(self, text):
        self._clear()
        print(f"{self.red('error')}: {text}" if sys.stderr.isatty() else f"error: {text}", file=sys.stderr, flush=True)

    def bold(self, text):
        return self._coloured(text, _BOLD)

    def green(self, text):
        return self._coloured(text, _GREEN)

    def red(self, text):
        return self._coloured(text, _RED)

    def _title(self, name):
        return self.bold(name.ljust(_NAME_WIDTH))

    def _coloured(self, text, colour):
        return f"\033[{colour}m{text}\033[0m" if self._has_colours else text

    def _clear(self):
        if self._has_unfinished_line:
            print("\r\033[K", end="", file=self.stream, flush=True)
            self._has_unfinished_line = False
