"""The ``musicapi`` logger, as the packages use it: a handler that fails must not cost what was paid for."""

import contextlib
import logging
from collections.abc import Mapping
from typing import Final

__all__ = ["SafeLogger", "logger"]


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
