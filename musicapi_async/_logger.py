"""The ``musicapi`` logger, as the packages use it: a handler that fails must not cost what was paid for."""

import contextlib
import logging
import os
import warnings
from collections.abc import Callable, Mapping
from typing import Final

__all__ = ["SafeLogger", "log_to_stderr", "logger", "set_up_logger"]

LEVEL: Final = "MUSICAPI_LOG"
"""The environment variable with the level of messages to show on standard error."""
LEVELS: Final = {"debug": logging.DEBUG, "info": logging.INFO, "warning": logging.WARNING}
FORMAT: Final = "%(asctime)s %(name)s %(levelname)s %(message)s"


class SafeLogger:
    """Logs to a logger, and suppresses the exceptions of its handlers and filters."""

    def __init__(self, name: str) -> None:
        self.logger = logging.getLogger(name)

    def is_enabled_for(self, level: int) -> bool:
        """Return whether records of this level are logged."""
        return self.logger.isEnabledFor(level)

    def log(
        self,
        level: int,
        message: str,
        *values: object,
        exc_info: BaseException | None = None,
        extra: Mapping[str, object] | None = None,
        stacklevel: int = 1,
    ) -> None:
        """Log a message with its values, as ``logging.Logger.log`` does."""
        with contextlib.suppress(Exception):
            self.logger.log(level, message, *values, exc_info=exc_info, extra=extra, stacklevel=stacklevel + 1)

    def info(self, message: str, *values: object) -> None:
        """Log at INFO."""
        self.log(logging.INFO, message, *values, stacklevel=2)

    def warning(self, message: str, *values: object) -> None:
        """Log at WARNING."""
        self.log(logging.WARNING, message, *values, stacklevel=2)

    def error(self, message: str, *values: object) -> None:
        """Log at ERROR."""
        self.log(logging.ERROR, message, *values, stacklevel=2)


logger: Final = SafeLogger("musicapi")


def set_up_logger() -> None:
    """Leave logging to the program, or show messages on standard error from the level that ``MUSICAPI_LOG`` names.

    Any other level is ignored with a warning: a misspelt variable must not keep a program from starting.
    """
    logger.logger.addHandler(logging.NullHandler())
    name = os.environ.get(LEVEL, "").strip().lower()
    if name in LEVELS:
        log_to_stderr(LEVELS[name])
    elif name:
        warnings.warn(f"{LEVEL} is {name!r}; it must be one of {', '.join(LEVELS)}", RuntimeWarning, stacklevel=3)


def log_to_stderr(level: int) -> Callable[[], None]:
    """Show the client's messages from this level on standard error, until the function that is returned is called."""
    target, before = logger.logger, logger.logger.level
    handler = logging.StreamHandler()
    handler.setFormatter(logging.Formatter(FORMAT))
    target.setLevel(level)
    target.addHandler(handler)

    def stop() -> None:
        target.removeHandler(handler)
        target.setLevel(before)

    return stop
