"""Entry point of the ``musicapi`` command, in a package of its own: Ctrl-C while the others load ends it quietly."""

import os
import signal
from contextlib import suppress

__all__ = ["main"]


def main() -> int:
    """Load the command, then run it with the arguments of this process, and return its exit code."""
    # Ignored signals stay ignored, as under nohup.
    is_default = signal.getsignal(signal.SIGINT) is signal.default_int_handler
    if is_default:
        # Nothing is in flight yet. An exception would leave a traceback, or be lost in what is being imported.
        signal.signal(signal.SIGINT, lambda *_: os._exit(128 + signal.SIGINT))
    with suppress(ModuleNotFoundError):  # the extra is missing, which the command explains
        import musicapi_async.cli.app  # noqa: F401, PLC0415
    from musicapi_async.cli import main as run  # noqa: PLC0415

    if is_default:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        return run()
    except KeyboardInterrupt:
        return 128 + signal.SIGINT
