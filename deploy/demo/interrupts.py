"""Signals that end the demo: the first one unwinds it once, so that cleaning up is never cut off half-way."""

import contextlib
import os
import signal

_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class Interrupted(BaseException):
    """A signal asked the demo to end."""

    def __init__(self, number):
        super().__init__(signal.Signals(number).name)
        self.number = number


class Interrupts:
    """Raises `Interrupted` in the main thread at the first signal; later ones change nothing."""

    def __init__(self):
        self._seen = None
        self._held = False
        for number in _SIGNALS:
            # Set even where it was ignored: a script that is started in the background ignores Ctrl-C otherwise.
            signal.signal(number, self._arrived)

    def _arrived(self, number, _frame):
        if self._seen is None:
            self._seen = number
            if not self._held:
                raise Interrupted(number)

    @contextlib.contextmanager
    def held(self):
        """Lets nothing come between making something and noting that it must be cleaned up."""
        before = self._seen
        self._held = True
        try:
            yield
        finally:
            self._held = False
        if self._seen != before:
            raise Interrupted(self._seen)

    def ignore(self):
        """From now on nothing interrupts: cleaning up takes a bounded time."""
        for number in _SIGNALS:
            signal.signal(number, signal.SIG_IGN)


def end_as_signalled(number):
    """Ends this process as the signal would have, so that shells and makefiles see it."""
    signal.signal(number, signal.SIG_DFL)
    os.kill(os.getpid(), number)
