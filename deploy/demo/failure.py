"""What went wrong, for the person who runs the demo."""


class DemoError(Exception):
    """Says what failed and what to do; `log` is the file whose end tells more."""

    def __init__(self, message, log=None):
        super().__init__(message)
        self.log = log
